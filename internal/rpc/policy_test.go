package rpc_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	adminpb "pachyderm/api/admin"
	pfspb "pachyderm/api/pfs"
	versionpb "pachyderm/api/version"
	"pachyderm/internal/principal"
	"pachyderm/internal/rpc"
)

// call sends an empty message: who may call is decided before it is read.
func (h *env) call(ctx context.Context, method string) error {
	return h.Conn.Invoke(ctx, method, &emptypb.Empty{}, &emptypb.Empty{})
}

func want(t *testing.T, err error, code codes.Code, texts ...string) {
	t.Helper()
	s := status.Convert(err)
	if s.Code() != code {
		t.Errorf("got %v, want %s", s, code)
	}
	for _, text := range texts {
		if !strings.Contains(s.Message(), text) {
			t.Errorf("got %q, want %q", s.Message(), text)
		}
	}
}

func reason(err error) string {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetDomain() == "pachd" {
			return info.GetReason()
		}
	}
	return ""
}

func TestPolicy_EveryMethod(t *testing.T) {
	rows, needs := rpc.Policy()
	each(t, func(t *testing.T, h *env) {
		h.Connect()
		_, old := h.Robot("old", 60)
		disabled := h.Alice()
		nobody, _ := h.Robot("nobody", 0)
		if err := h.call(as(t.Context(), old), "/auth_v2.API/WhoAmI"); err != nil {
			t.Fatal(err)
		}
		if err := h.call(as(t.Context(), disabled), "/auth_v2.API/WhoAmI"); err != nil {
			t.Fatal(err) // and is remembered, so that it has to be forgotten
		}
		if err := h.SetEnabled("user:alice@example.com", false); err != nil {
			t.Fatal(err)
		}
		h.Ahead(2 * time.Minute)
		for _, method := range slices.Sorted(maps.Keys(rows)) {
			if !rows[method].SignedIn {
				continue
			}
			for _, c := range []struct {
				name string
				ctx  context.Context
				text string
			}{
				{"no token", t.Context(), "no authentication token (try logging in)"},
				{"a wrong token", as(t.Context(), "made-up"), "provided auth token is corrupted or has expired (try logging in again)"},
				{"an empty token", as(t.Context(), ""), "provided auth token is corrupted or has expired (try logging in again)"},
				{"the token's hash", as(t.Context(), strings.Repeat("0a", 32)), "provided auth token is corrupted"},
				{"two tokens", as(h.Root(), h.RootToken), "multiple authentication token keys found in context"},
				{"an expired token", as(t.Context(), old), "token expiration is in the past"},
				{"a disabled person", as(t.Context(), disabled), "user:alice@example.com is disabled"},
			} {
				err := h.call(c.ctx, method)
				want(t, err, codes.Unauthenticated, c.text)
				if reason(err) != "unauthenticated" {
					t.Errorf("reason %q", reason(err))
				}
				if t.Failed() {
					t.Fatalf("%s with %s", method, c.name)
				}
			}
			need, needsOne := needs[method]
			if !needsOne {
				continue
			}
			err := h.call(nobody, method)
			want(t, err, codes.PermissionDenied, fmt.Sprintf(
				"robot:nobody is not authorized to perform this operation - needs permissions [%s] on CLUSTER . Run `pachctl auth roles-for-permission` to find roles that grant a given permission.", need))
			if reason(err) != "denied" {
				t.Errorf("%s: reason %q", method, reason(err))
			}
		}
	})
}

func TestPolicy_DeletedConnector(t *testing.T) {
	rows, _ := rpc.Policy()
	each(t, func(t *testing.T, h *env) {
		h.Connect()
		session := as(t.Context(), h.Alice())
		if err := h.call(session, "/auth_v2.API/WhoAmI"); err != nil {
			t.Fatal(err)
		}
		if err := h.Issuer.Registry.DeleteConnector(t.Context(), principal.Root, "demo"); err != nil {
			t.Fatal(err)
		}
		for method, row := range rows {
			if row.SignedIn {
				want(t, h.call(session, method), codes.Unauthenticated, "the identity provider that this session came from is no longer connected")
			}
		}
	})
}

func TestPolicy_Unimplemented(t *testing.T) {
	rows, _ := rpc.Policy()
	h := open(t)
	for method, row := range rows {
		if row.Unimplemented {
			want(t, h.call(h.Root(), method), codes.Unimplemented, method+" is not part of this pachd yet")
		}
	}
	want(t, h.call(h.Root(), "/auth_v2.API/NoSuchMethod"), codes.Unimplemented)
}

func TestPolicy_PublicIgnoresTokens(t *testing.T) {
	rows, _ := rpc.Policy()
	h := open(t)
	for method, row := range rows {
		if !row.Public || strings.HasPrefix(method, "/grpc.health") {
			continue
		}
		plain := h.call(t.Context(), method)
		for _, ctx := range []context.Context{as(t.Context(), "made-up"), as(h.Root(), h.RootToken)} {
			if err := h.call(ctx, method); status.Code(err) != status.Code(plain) || status.Convert(err).Message() != status.Convert(plain).Message() {
				t.Errorf("%s: %v, and without a token %v", method, err, plain)
			}
		}
	}
}

func TestInspectCluster_NeverFails(t *testing.T) {
	h := open(t)
	id, err := h.DB.Meta(t.Context(), "cluster-id")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.DB.Close(); err != nil {
		t.Fatal(err)
	}
	admin := adminpb.NewAPIClient(h.Conn)
	version := func(major, minor uint32) *versionpb.Version { return &versionpb.Version{Major: major, Minor: minor} }
	for name, c := range map[string]struct {
		req     *adminpb.InspectClusterRequest
		warning string
	}{
		"nothing said":       {&adminpb.InspectClusterRequest{}, "did not say its version"},
		"any version":        {&adminpb.InspectClusterRequest{ClientVersion: version(0, 0)}, ""},
		"a very old client":  {&adminpb.InspectClusterRequest{ClientVersion: version(1, 13)}, "much older"},
		"a very new client":  {&adminpb.InspectClusterRequest{ClientVersion: version(99, 0)}, "much newer"},
		"the default":        {&adminpb.InspectClusterRequest{ClientVersion: version(0, 0), CurrentProject: &pfspb.Project{Name: "default"}}, ""},
		"an unknown project": {&adminpb.InspectClusterRequest{ClientVersion: version(0, 0), CurrentProject: &pfspb.Project{Name: "no/such\x01"}}, "it does not exist"},
	} {
		for _, ctx := range []context.Context{t.Context(), as(t.Context(), "made-up"), as(h.Root(), "two")} {
			info, err := admin.InspectCluster(ctx, c.req)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			warnings := strings.Join(info.GetWarnings(), "\n")
			if info.GetId() != string(id) || info.GetDeploymentId() != "the-deployment" || !info.GetWarningsOk() ||
				(warnings == "") != (c.warning == "") || !strings.Contains(warnings, c.warning) {
				t.Errorf("%s: %v", name, info)
			}
		}
	}
}
