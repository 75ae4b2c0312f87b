package rpc_test

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pachyderm/internal/pachd/pachdtest"
	"pachyderm/internal/principal"
	"pachyderm/internal/rpc"
)

func TestPolicy_EveryMethod(t *testing.T) {
	rows, needs := rpc.Policy()
	pachdtest.Each(t, func(t *testing.T, h *pachdtest.Server) {
		h.Connect()
		_, old := h.Robot("old", 60)
		disabled := h.Alice()
		nobody, _ := h.Robot("nobody", 0)
		if err := h.Call(pachdtest.As(t.Context(), old), "/auth_v2.API/WhoAmI"); err != nil {
			t.Fatal(err)
		}
		if err := h.Call(pachdtest.As(t.Context(), disabled), "/auth_v2.API/WhoAmI"); err != nil {
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
				{"a wrong token", pachdtest.As(t.Context(), "made-up"), "provided auth token is corrupted or has expired (try logging in again)"},
				{"an empty token", pachdtest.As(t.Context(), ""), "provided auth token is corrupted or has expired (try logging in again)"},
				{"the token's hash", pachdtest.As(t.Context(), strings.Repeat("0a", 32)), "provided auth token is corrupted"},
				{"two tokens", pachdtest.As(h.Root(), h.RootToken), "multiple authentication token keys found in context"},
				{"an expired token", pachdtest.As(t.Context(), old), "token expiration is in the past"},
				{"a disabled person", pachdtest.As(t.Context(), disabled), "user:alice@example.com is disabled"},
			} {
				err := h.Call(c.ctx, method)
				pachdtest.Want(t, err, codes.Unauthenticated, c.text)
				if pachdtest.Info(err).GetReason() != "unauthenticated" {
					t.Errorf("reason %q", pachdtest.Info(err).GetReason())
				}
				if t.Failed() {
					t.Fatalf("%s with %s", method, c.name)
				}
			}
			need, needsOne := needs[method]
			if !needsOne {
				continue
			}
			err := h.Call(nobody, method)
			pachdtest.Want(t, err, codes.PermissionDenied, fmt.Sprintf(
				"robot:nobody is not authorized to perform this operation - needs permissions [%s] on CLUSTER . Run `pachctl auth roles-for-permission` to find roles that grant a given permission.", need))
			if pachdtest.Info(err).GetReason() != "denied" {
				t.Errorf("%s: reason %q", method, pachdtest.Info(err).GetReason())
			}
		}
	})
}

func TestPolicy_DeletedConnector(t *testing.T) {
	rows, _ := rpc.Policy()
	pachdtest.Each(t, func(t *testing.T, h *pachdtest.Server) {
		h.Connect()
		session := pachdtest.As(t.Context(), h.Alice())
		if err := h.Call(session, "/auth_v2.API/WhoAmI"); err != nil {
			t.Fatal(err)
		}
		if err := h.Issuer.Registry.DeleteConnector(t.Context(), principal.Root, "demo"); err != nil {
			t.Fatal(err)
		}
		for method, row := range rows {
			if row.SignedIn {
				pachdtest.Want(t, h.Call(session, method), codes.Unauthenticated, "the identity provider that this session came from is no longer connected")
			}
		}
	})
}

func TestPolicy_Unimplemented(t *testing.T) {
	rows, _ := rpc.Policy()
	h := pachdtest.Start(t)
	for method, row := range rows {
		if row.Unimplemented {
			pachdtest.Want(t, h.Call(h.Root(), method), codes.Unimplemented, method+" is not part of this pachd yet")
		}
	}
	pachdtest.Want(t, h.Call(h.Root(), "/auth_v2.API/NoSuchMethod"), codes.Unimplemented)
}

func TestPolicy_PublicIgnoresTokens(t *testing.T) {
	rows, _ := rpc.Policy()
	h := pachdtest.Start(t)
	for method, row := range rows {
		if !row.Public || strings.HasPrefix(method, "/grpc.health") {
			continue
		}
		plain := h.Call(t.Context(), method)
		for _, ctx := range []context.Context{pachdtest.As(t.Context(), "made-up"), pachdtest.As(h.Root(), h.RootToken)} {
			if err := h.Call(ctx, method); status.Code(err) != status.Code(plain) || status.Convert(err).Message() != status.Convert(plain).Message() {
				t.Errorf("%s: %v, and without a token %v", method, err, plain)
			}
		}
	}
}

func TestInternalError_TellsNothing(t *testing.T) {
	h := pachdtest.Start(t)
	ci, _ := h.Robot("ci", 0)
	if err := h.DB.Close(); err != nil {
		t.Fatal(err)
	}
	err := h.Call(ci, "/auth_v2.API/WhoAmI")
	s := status.Convert(err)
	code := regexp.MustCompile(`by the code ([A-Z2-7]{8})$`).FindStringSubmatch(s.Message())
	if s.Code() != codes.Internal || code == nil || strings.Contains(s.String(), "sql") || pachdtest.Info(err).GetReason() != "internal" {
		t.Fatalf("the caller is told: %v", s)
	}
	if log := h.Log.String(); !strings.Contains(log, code[1]) || !strings.Contains(log, "sql: database is closed") {
		t.Errorf("the log says: %s", log)
	}
	// Who has no token is told just that, database or not.
	pachdtest.Want(t, h.Call(t.Context(), "/auth_v2.API/WhoAmI"), codes.Unauthenticated, "no authentication token")
}
