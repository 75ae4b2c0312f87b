package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pachyderm/internal/cli/kit/kittest"
)

const twoContexts = `{"v2": {"active_context": "prod", "contexts": {
	"prod": {"pachd_address": "grpc://prod.example.com:30650", "session_token": "the-session", "cluster_deployment_id": "d"},
	"old": {"pachd_address": "grpc://old.example.com:30650", "made_by_a_later_client": "kept"}}}}`

// shell is a place where pachctl config is run, with a configuration of its own.
type shell struct {
	kittest.Terminal
	file string
}

func newShell(t *testing.T, text string) *shell {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.json")
	s := &shell{kittest.Terminal{T: t, Commands: Commands, Vars: map[string]string{"PACH_CONFIG": file}}, file}
	if text != "" {
		if err := os.WriteFile(s.file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *shell) text() string {
	s.T.Helper()
	data, err := os.ReadFile(s.file)
	if err != nil {
		s.T.Fatal(err)
	}
	return string(data)
}

func TestGetContext_TokenIsMasked(t *testing.T) {
	s := newShell(t, twoContexts)
	for _, line := range []string{"config get context prod", "config get context prod -o yaml", "config get context prod -o json"} {
		if said := s.Want(0, "", line, "***", "prod.example.com"); strings.Contains(said, "the-session") {
			t.Errorf("%s shows the session: %s", line, said)
		}
	}
	s.Want(1, "", "config get context nosuch", "nosuch")
}

func TestSetContext_MaskKeepsTheSession(t *testing.T) {
	s := newShell(t, twoContexts)
	shown := s.Want(0, "", "config get context prod")
	s.Want(1, shown, "config set context prod", "already exists", "--overwrite")
	s.Want(0, shown, "config set context prod --overwrite")
	if text := s.text(); !strings.Contains(text, "the-session") {
		t.Errorf("lost: %s", text)
	}
	s.Want(1, shown, "config set context new", "context 'new' has none")
	s.Want(1, "{nonsense", "config set context new")
	if strings.Contains(s.text(), "new") {
		t.Errorf("kept: %s", s.text())
	}
}

func TestUpdateContext_ChangesWhatHasAFlag(t *testing.T) {
	s := newShell(t, twoContexts)
	s.Want(0, "", "config update context --project genomics", `editing the currently active context "prod"`)
	s.Want(0, "", "config update context old --pachd-address grpcs://new.example.com:443 --remove-cluster-deployment-id")
	s.Want(0, "", "config get context prod", "genomics", "prod.example.com")
	s.Want(0, "", "config get context old", "grpcs://new.example.com:443")
	s.Want(1, "", "config update context old --pachd-address gopher://x")
	s.Want(0, "", "config get context old", "grpcs://new.example.com:443")
	s.Want(1, "", "config update context nosuch --project x", "nosuch")
	s.Want(0, "", "config update context prod --project= --remove-cluster-deployment-id")
	if text := s.text(); strings.Contains(text, "genomics") || strings.Contains(text, "cluster_deployment_id") || !strings.Contains(text, "the-session") || !strings.Contains(text, `"kept"`) {
		t.Errorf("it is %s", text)
	}
}

func TestDeleteContext_NotTheActiveOne(t *testing.T) {
	s := newShell(t, twoContexts)
	s.Want(1, "", "config delete context prod", "cannot delete an active context", "set active-context")
	s.Want(0, "", "config set active-enterprise-context old")
	s.Want(1, "", "config delete context old", "cannot delete an active context")
	s.Want(0, "", "config set active-enterprise-context prod")
	s.Want(0, "", "config delete context old")
	s.Want(1, "", "config delete context old", "old")
	if strings.Contains(s.text(), "old.example.com") {
		t.Error("it is still there")
	}
}

func TestListContext_MarksTheActiveOnes(t *testing.T) {
	s := newShell(t, twoContexts)
	s.Want(0, "", "config set active-enterprise-context old")
	s.Want(0, "", "config list context", "*\tprod", "E\told")
	s.Vars["PACH_CONTEXT"], s.Vars["PACH_ENTERPRISE_CONTEXT"] = "old", "old"
	s.Want(0, "", "config list context", "E*\told", "\tprod")
}

func TestActiveContext_GetAndSet(t *testing.T) {
	s := newShell(t, twoContexts)
	s.Want(0, "", "config get active-context", "prod\n")
	s.Want(0, "", "config set active-context old")
	s.Want(0, "", "config get active-context", "old\n")
	s.Want(1, "", "config set active-context nosuch", "nosuch")
	s.Want(0, "", "config get active-context", "old\n")
	s.Want(0, "", "config get active-enterprise-context", "old\n") // without one of its own the active one is
	s.Vars["PACH_CONTEXT"] = "prod"
	s.Want(0, "", "config get active-context", "prod\n")
}

func TestMetrics_TrueOrFalse(t *testing.T) {
	s := newShell(t, twoContexts)
	s.Want(0, "", "config set metrics true")
	s.Want(0, "", "config get metrics", "true\n")
	s.Want(0, "", "config set metrics false")
	s.Want(0, "", "config get metrics", "false\n")
	s.Want(2, "", "config set metrics yes", "use either `true` or `false`")
}

func TestConnect_MakesAContext(t *testing.T) {
	s := newShell(t, "")
	s.Want(0, "", "connect localhost:30650", "New context 'localhost:30650' created", "set as active")
	s.Want(0, "", "connect grpcs://pachd.example.com:443 --alias prod")
	s.Want(0, "", "config get active-context", "prod\n")
	s.Want(0, "", "config get context prod", "grpcs://pachd.example.com:443")
	// One that is there keeps its address and session, and the person is told.
	s.Want(0, "", "connect grpc://elsewhere.example.com:30650 --alias prod", "keeps its address", "config update context prod --pachd-address")
	s.Want(0, "", "config get context prod", "grpcs://pachd.example.com:443")
	s.Want(1, "", "connect gopher://x", "gopher")
}
