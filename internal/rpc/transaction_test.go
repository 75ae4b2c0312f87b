package rpc_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"pachyderm/api/auth"
	"pachyderm/internal/pachd/pachdtest"
)

// What cannot wait for the end of a transaction is not done at once instead.
func TestTransaction_ChangesAreRefused(t *testing.T) {
	s := pachdtest.Start(t)
	within := func(ctx context.Context, id string) context.Context {
		return metadata.AppendToOutgoingContext(ctx, "pach-transaction", id)
	}
	bind := &auth.ModifyRoleBindingRequest{Resource: pachdtest.Cluster(), Principal: "robot:ci", Roles: []string{"debugger"}}
	_, err := s.API.Auth.ModifyRoleBinding(within(s.Root(), "1234"), bind)
	pachdtest.Want(t, err, codes.FailedPrecondition, "/auth_v2.API/ModifyRoleBinding cannot be part of a transaction, and nothing was changed")
	_, err = s.API.Auth.GetOIDCLogin(within(t.Context(), "1234"), &auth.GetOIDCLoginRequest{})
	pachdtest.Want(t, err, codes.FailedPrecondition, "cannot be part of a transaction")

	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.HTTP+"/api/auth_v2.API/ModifyRoleBinding",
		strings.NewReader(`{"resource":{"type":"CLUSTER"},"principal":"robot:ci","roles":["debugger"]}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authn-Token", s.RootToken)
	r.Header.Set("Pach-Transaction", "1234")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusBadRequest {
		t.Errorf("over REST: %s", answer.Status)
	}
	if bound, err := s.Bound(s.Root(), pachdtest.Cluster()); err != nil || bound["robot:ci"] != nil {
		t.Errorf("changed all the same: %v, %v", bound, err)
	}

	if _, err := s.WhoAmI(within(s.Root(), "1234")); err != nil {
		t.Errorf("a call that changes nothing: %v", err)
	}
	if _, err := s.API.Auth.ModifyRoleBinding(within(s.Root(), ""), bind); err != nil {
		t.Errorf("the header without a transaction: %v", err)
	}
}
