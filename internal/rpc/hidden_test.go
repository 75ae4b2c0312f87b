package rpc_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	authpb "pachyderm/api/auth"
	"pachyderm/internal/pachd/pachdtest"
)

// Whoever may do nothing on a resource cannot find out that it exists: all
// calls answer as for one that does not.
func TestDenied_TellsNothing(t *testing.T) {
	s := pachdtest.Start(t)
	api := s.API.Auth
	root := pachdtest.As(t.Context(), s.RootToken)
	robot, err := api.GetRobotToken(root, &authpb.GetRobotTokenRequest{Robot: "stranger"})
	if err != nil {
		t.Fatal(err)
	}
	stranger := pachdtest.As(t.Context(), robot.GetToken())
	for _, kind := range []authpb.ResourceType{authpb.ResourceType_PROJECT, authpb.ResourceType_REPO} {
		exists, absent := &authpb.Resource{Type: kind, Name: "merger"}, &authpb.Resource{Type: kind, Name: "nosuch"}
		if kind == authpb.ResourceType_REPO {
			exists.Name, absent.Name = "merger/offers", "nosuch/offers"
		}
		_, err := api.ModifyRoleBinding(root, &authpb.ModifyRoleBindingRequest{Resource: exists, Principal: "user:boss@example.com", Roles: []string{"repoOwner"}})
		if err != nil {
			t.Fatal(err)
		}
		for name, ask := range map[string]func(r *authpb.Resource) (proto.Message, error){
			"Authorize": func(r *authpb.Resource) (proto.Message, error) {
				return api.Authorize(stranger, &authpb.AuthorizeRequest{Resource: r, Permissions: []authpb.Permission{authpb.Permission_REPO_READ}})
			},
			"GetPermissions": func(r *authpb.Resource) (proto.Message, error) {
				return api.GetPermissions(stranger, &authpb.GetPermissionsRequest{Resource: r})
			},
			"GetRoleBinding": func(r *authpb.Resource) (proto.Message, error) {
				return api.GetRoleBinding(stranger, &authpb.GetRoleBindingRequest{Resource: r})
			},
			"ModifyRoleBinding": func(r *authpb.Resource) (proto.Message, error) {
				res, err := api.ModifyRoleBinding(stranger, &authpb.ModifyRoleBindingRequest{Resource: r, Principal: "robot:stranger", Roles: []string{"repoOwner"}})
				// The refusal names the resource that was asked for.
				if s, ok := status.FromError(err); ok && s.Code() == codes.PermissionDenied {
					err = status.Error(s.Code(), "denied")
				}
				return res, err
			},
		} {
			one, errOne := ask(exists)
			other, errOther := ask(absent)
			if diff := cmp.Diff(status.Code(errOther), status.Code(errOne)); diff != "" || !proto.Equal(one, other) {
				t.Errorf("%s tells a %s that exists from one that does not: %v, %v and %v, %v", name, kind, one, errOne, other, errOther)
			}
		}
	}
}
