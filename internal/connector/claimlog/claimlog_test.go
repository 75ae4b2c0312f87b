package claimlog_test

import (
	"testing"

	"pachyderm/internal/connector/claimlog"
)

func TestRecord(t *testing.T) {
	claimlog.Record(t.Context(), map[string]any{"sub": "1"}) // nobody looks

	var l claimlog.Log
	use := claimlog.Use{As: claimlog.Email, Claim: "mail"}
	claimlog.Record(claimlog.In(t.Context(), &l), map[string]any{"mail": "jane@example.com"}, use)
	if l.Claims["mail"] != "jane@example.com" || len(l.Uses) != 1 || l.Uses[0] != use {
		t.Errorf("got %+v", l)
	}
}
