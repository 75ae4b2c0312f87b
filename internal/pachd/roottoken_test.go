package pachd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pachyderm/internal/db"
	"pachyderm/internal/pachd/pachdtest"
)

// A root token that is declared by a file follows the file: the one before ends.
func TestRootToken_FollowsItsFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, config := filepath.Join(dir, "declared-root-token"), filepath.Join(dir, "pachd.yaml")
	write := func(path, text string) {
		t.Helper()
		edit(t, os.WriteFile(path+".new", []byte(text), 0o600))
		edit(t, os.Rename(path+".new", path))
	}
	const first, second = "the-first-root-token", "the-second-root-token"
	write(file, first+"\n")
	write(config, "bootstrap: {rootTokenFile: "+file+"}\n")
	s := pachdtest.StartWith(t, dir, config, nil)
	_, robot := s.Robot("ci", 3600)
	code := func(token string) codes.Code {
		_, err := whoAmI(t, s, token)
		return status.Code(err)
	}
	if s.RootToken != first || code(second) != codes.Unauthenticated {
		t.Fatalf("the root token is %s, and the second one is good already", s.RootToken)
	}

	write(file, "short") // which is refused, and said
	for !strings.Contains(s.Log.String(), "too short to be a secret") {
		time.Sleep(10 * time.Millisecond)
	}
	if code(first) != codes.OK {
		t.Error("a file that is no root token has ended the one in use")
	}

	write(file, second+"\n")
	for code(first) != codes.Unauthenticated {
		time.Sleep(10 * time.Millisecond)
	}
	for token, want := range map[string]string{second: "pach:root", robot: "robot:ci"} {
		if who, err := whoAmI(t, s, token); who != want || err != nil {
			t.Errorf("%s: %s, %v", want, who, err)
		}
	}
	var events int64
	edit(t, s.DB.View(t.Context(), func(tx *db.Tx) error {
		return tx.Row(t.Context(), []any{&events}, `SELECT count(*) FROM audit_events WHERE action = 'token.rotate-root' AND detail = 'by pachd''s configuration'`)
	}))
	if events != 1 {
		t.Errorf("%d audit events", events)
	}
	for _, token := range []string{first, second} {
		if strings.Contains(s.Log.String(), token) {
			t.Errorf("the log has %s", token)
		}
	}
}
