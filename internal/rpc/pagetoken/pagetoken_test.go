package pagetoken_test

import (
	"encoding/base64"
	"strings"
	"testing"

	pb "pachyderm/api/pach"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
	"pachyderm/internal/rpc/pagetoken"
	"pachyderm/internal/secret"
	"pachyderm/internal/secret/secrettest"
)

func sealer(t *testing.T) *secret.Sealer {
	t.Helper()
	return secrettest.Sealer(t, dbtest.SQLite(t))
}

// A token shows nothing of the key that it stands for, and nobody makes one.
func TestTokens_AreOfTheirListAlone(t *testing.T) {
	tokens := pagetoken.Tokens{Sealer: sealer(t)}
	const users, groups, key = "/pach_v1.API/ListUsers", "/pach_v1.API/ListGroups", "user:ada@example.com"
	given := &pb.ListUsersResponse{NextPageToken: key}
	if err := tokens.Seal(users, given); err != nil {
		t.Fatal(err)
	}
	token := given.GetNextPageToken()
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || token == key || strings.Contains(string(raw), "ada") {
		t.Fatalf("%q, %v", token, err)
	}
	back := &pb.ListUsersRequest{PageToken: token, PageSize: 3}
	if err := tokens.Open(users, back); err != nil || back.GetPageToken() != key || back.GetPageSize() != 3 {
		t.Errorf("%v, %v", back, err)
	}
	raw[len(raw)-1] ^= 1
	for name, forged := range map[string]string{
		"the key itself": key, "changed": base64.RawURLEncoding.EncodeToString(raw), "cut": token[:len(token)-4], "no base64": "'; --",
		"of nothing": "AAAA", "by another key": sealedBy(t, users, key),
	} {
		if err := tokens.Open(users, &pb.ListUsersRequest{PageToken: forged}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := tokens.Open(groups, &pb.ListGroupsRequest{PageToken: token}); !fault.Is(err, fault.Invalid) {
		t.Errorf("of another list: %v", err)
	}
}

func sealedBy(t *testing.T, method, key string) string {
	t.Helper()
	other := &pb.ListUsersResponse{NextPageToken: key}
	if err := (pagetoken.Tokens{Sealer: sealer(t)}).Seal(method, other); err != nil {
		t.Fatal(err)
	}
	return other.GetNextPageToken()
}

// The first page has no token, and the last none to give.
func TestTokens_OfNothingAreNothing(t *testing.T) {
	for _, m := range []any{&pb.ListUsersRequest{}, &pb.ListUsersResponse{}, &pb.GetSessionRequest{}, nil} {
		var none pagetoken.Tokens
		if err := none.Open("x", m); err != nil {
			t.Error(err)
		}
		if err := none.Seal("x", m); err != nil {
			t.Error(err)
		}
	}
}
