package auth_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	authpb "pachyderm/api/auth"
	"pachyderm/internal/pachd/pachdtest"
	"pachyderm/internal/people/token"
	"pachyderm/internal/secret"
)

func (h *env) extract() map[string]*authpb.TokenInfo {
	h.t.Helper()
	res, err := h.API.Auth.ExtractAuthTokens(h.Root(), &authpb.ExtractAuthTokensRequest{})
	if err != nil {
		h.t.Fatal(err)
	}
	byHash := map[string]*authpb.TokenInfo{}
	for _, t := range res.GetTokens() {
		byHash[t.GetHashedToken()] = t
	}
	return byHash
}

// Upstream's TestDeleteExpiredAuthTokens.
func TestDeleteExpiredAuthTokens(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		forEver, foreverRaw := h.Robot("robot:forever", 0)
		short, shortRaw := h.Robot("short", 1)
		_, longRaw := h.Robot("long", 1000)
		if all := h.extract(); len(all) != 3 {
			t.Fatalf("extracted %v", all)
		}
		h.Ahead(time.Minute)
		_, err := h.WhoAmI(short)
		pachdtest.Want(t, err, codes.Unauthenticated, "token expiration is in the past")
		if _, err := h.API.Auth.DeleteExpiredAuthTokens(h.Root(), &authpb.DeleteExpiredAuthTokensRequest{}); err != nil {
			t.Fatal(err)
		}
		left := h.extract()
		for raw, kept := range map[string]bool{foreverRaw: true, longRaw: true, shortRaw: false} {
			if (left[token.Hash(secret.Text(raw))] != nil) != kept {
				t.Errorf("kept %v, want %v", !kept, kept)
			}
		}
		if who, err := h.WhoAmI(forEver); err != nil || who.GetUsername() != "robot:forever" || who.GetExpiration() != nil {
			t.Errorf("the token without expiry: %v, %v", who, err)
		}
	})
}

// Upstream's TestExtractAuthToken.
func TestExtractAuthTokens(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.Connect()
		session := h.Alice()
		_, forEver := h.Robot("a", 0)
		_, long := h.Robot("b", 1000)
		all := h.extract()
		if len(all) != 2 {
			t.Errorf("extracted %v", all)
		}
		if got := all[token.Hash(secret.Text(forEver))]; got.GetSubject() != "robot:a" || got.GetExpiration() != nil {
			t.Errorf("without expiry: %v", got)
		}
		if got := all[token.Hash(secret.Text(long))]; got.GetSubject() != "robot:b" || !got.GetExpiration().AsTime().After(time.Now()) {
			t.Errorf("with expiry: %v", got)
		}
		_, err := h.API.Auth.ExtractAuthTokens(pachdtest.As(t.Context(), session), &authpb.ExtractAuthTokensRequest{})
		pachdtest.Want(t, err, codes.PermissionDenied, "not authorized")
	})
}

// Upstream's TestRestoreAuthToken, and pitfall 36.
func TestRestoreAuthToken(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		restore := func(ctx context.Context, raw, who string, expires time.Time) error {
			info := &authpb.TokenInfo{HashedToken: token.Hash(secret.Text(raw)), Subject: who}
			if !expires.IsZero() {
				info.Expiration = timestamppb.New(expires)
			}
			_, err := h.API.Auth.RestoreAuthToken(ctx, &authpb.RestoreAuthTokenRequest{Token: info})
			return err
		}
		robot, _ := h.Robot("nobody", 0)
		pachdtest.Want(t, restore(robot, "one", "robot:one", time.Time{}), codes.PermissionDenied, "not authorized")
		if err := restore(h.Root(), "one", "robot:one", time.Time{}); err != nil {
			t.Fatal(err)
		}
		pachdtest.Want(t, restore(h.Root(), "one", "robot:two", time.Time{}), codes.AlreadyExists, "error restoring auth token: cannot overwrite existing token with same hash")
		who, err := h.WhoAmI(pachdtest.As(t.Context(), "one"))
		if err != nil || who.GetUsername() != "robot:one" || who.GetExpiration() != nil {
			t.Errorf("restored: %v, %v", who, err)
		}
		until := h.Now().Add(10 * time.Minute)
		if err := restore(h.Root(), "two", "robot:two", until); err != nil {
			t.Fatal(err)
		}
		who, err = h.WhoAmI(pachdtest.As(t.Context(), "two"))
		if got := who.GetExpiration().AsTime(); err != nil || got.After(until) || !got.After(h.Now()) {
			t.Errorf("restored with an expiry: %v, %v", who, err)
		}

		pachdtest.Want(t, restore(h.Root(), "three", "robot:three", h.Now().Add(-time.Minute)), codes.InvalidArgument, "token expiration is in the past")
		h.Ahead(time.Hour)
		pachdtest.Want(t, restore(h.Root(), "three", "robot:three", h.Now().Add(700*time.Millisecond)), codes.InvalidArgument, "less than 1s")
		_, err = h.WhoAmI(pachdtest.As(t.Context(), "three"))
		pachdtest.Want(t, err, codes.Unauthenticated)
		pachdtest.Want(t, restore(h.Root(), "four", "four", time.Time{}), codes.InvalidArgument, "subject has no prefix")
		for _, who := range []string{"group:four", "pach:xyz", "pach:root", "pipeline:default/edges", "internal:auth-server"} {
			pachdtest.Want(t, restore(h.Root(), "four", who, h.Now().Add(time.Hour)), codes.InvalidArgument, "has no tokens")
		}
		pachdtest.Want(t, restore(h.Root(), "four", "user:four@example.com", time.Time{}), codes.InvalidArgument, "without end")
		for _, hash := range []string{"", "abc", strings.ToUpper(token.Hash("x")), strings.Repeat("g", 64)} {
			_, err := h.API.Auth.RestoreAuthToken(h.Root(), &authpb.RestoreAuthTokenRequest{Token: &authpb.TokenInfo{HashedToken: hash, Subject: "robot:x"}})
			pachdtest.Want(t, err, codes.InvalidArgument, "64 lower-case hexadecimal digits")
		}
		_, err = h.API.Auth.RestoreAuthToken(h.Root(), &authpb.RestoreAuthTokenRequest{})
		pachdtest.Want(t, err, codes.InvalidArgument, "token is required")
	})
}

func TestRestoreAuthToken_DisabledUser(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.Connect()
		h.Alice()
		_, err := h.API.Auth.RestoreAuthToken(h.Root(), &authpb.RestoreAuthTokenRequest{Token: &authpb.TokenInfo{
			HashedToken: token.Hash("kept"), Subject: "user:alice@example.com", Expiration: timestamppb.New(h.Now().Add(time.Hour)),
		}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.WhoAmI(pachdtest.As(t.Context(), "kept")); err != nil {
			t.Fatal(err)
		}
		if err := h.SetEnabled("user:alice@example.com", false); err != nil {
			t.Fatal(err)
		}
		_, err = h.WhoAmI(pachdtest.As(t.Context(), "kept"))
		pachdtest.Want(t, err, codes.Unauthenticated, "is disabled")
	})
}

// Upstream's TestRotateRootToken.
func TestRotateRootToken(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		rotate := func(ctx context.Context, to string) string {
			t.Helper()
			res, err := h.API.Auth.RotateRootToken(ctx, &authpb.RotateRootTokenRequest{RootToken: to})
			if err != nil {
				t.Fatal(err)
			}
			return res.GetRootToken()
		}
		made := rotate(h.Root(), "")
		_, err := h.WhoAmI(h.Root())
		pachdtest.Want(t, err, codes.Unauthenticated, "provided auth token is corrupted or has expired")
		if who, err := h.WhoAmI(pachdtest.As(t.Context(), made)); err != nil || who.GetUsername() != "pach:root" {
			t.Errorf("the new token: %v, %v", who, err)
		}
		if got := rotate(pachdtest.As(t.Context(), made), "chosen-by-hand"); got != "chosen-by-hand" {
			t.Errorf("answered %q", got)
		}
		_, err = h.WhoAmI(pachdtest.As(t.Context(), made))
		pachdtest.Want(t, err, codes.Unauthenticated)
		if who, err := h.WhoAmI(pachdtest.As(t.Context(), "chosen-by-hand")); err != nil || who.GetUsername() != "pach:root" {
			t.Errorf("the chosen token: %v, %v", who, err)
		}
		_, err = h.API.Auth.RotateRootToken(pachdtest.As(t.Context(), "chosen-by-hand"), &authpb.RotateRootTokenRequest{RootToken: "short"})
		pachdtest.Want(t, err, codes.InvalidArgument, "too short")
		if _, err := h.WhoAmI(pachdtest.As(t.Context(), "chosen-by-hand")); err != nil {
			t.Errorf("after a refusal the old one: %v", err)
		}
	})
}
