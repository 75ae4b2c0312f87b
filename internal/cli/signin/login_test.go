package signin

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pachyderm/api/admin"
	"pachyderm/api/auth"
	"pachyderm/api/pach"
	"pachyderm/internal/cli/kit"
)

// world is what the commands work with, with a configuration file of its own.
type world struct {
	*kit.Kit
	config         string
	stdout, stderr bytes.Buffer
}

func newWorld(t *testing.T, vars map[string]string) *world {
	t.Helper()
	w := &world{config: filepath.Join(t.TempDir(), "config.json")}
	getenv := func(name string) string {
		if name == "PACH_CONFIG" {
			return w.config
		}
		return vars[name]
	}
	w.Kit = &kit.Kit{Stdin: strings.NewReader(""), Stdout: &w.stdout, Stderr: &w.stderr, Getenv: getenv, Now: time.Now}
	return w
}

// run runs pachctl auth with the arguments behind it, and returns the exit code.
func (w *world) run(t *testing.T, args ...string) int {
	t.Helper()
	c := kit.Group("auth", "", "", "", Commands(w.Kit)...)
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(args)
	if err := c.ExecuteContext(t.Context()); err != nil {
		return w.Report(err)
	}
	return 0
}

func (w *world) said() string { return w.stdout.String() + w.stderr.String() }

func (w *world) configText(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func aliceIs() *auth.WhoAmIResponse {
	return &auth.WhoAmIResponse{Username: "user:alice@example.com"}
}

func TestEnded_Reason(t *testing.T) {
	late, cancel := context.WithDeadlineCause(t.Context(), time.Unix(0, 0), errTooLate())
	defer cancel()
	if err := ended(late); !strings.Contains(err.Error(), "nobody signed in within 10 minutes") {
		t.Errorf("too late: %v", err)
	}
	stopped, stop := context.WithCancelCause(t.Context())
	stop(errors.New("interrupt signal received"))
	if err := ended(stopped); !strings.Contains(err.Error(), "interrupted: nobody was signed in") {
		t.Errorf("interrupted: %v", err)
	}
}

type tokenTaker struct{ upstream }

func (tokenTaker) Authenticate(_ context.Context, r *auth.AuthenticateRequest) (*auth.AuthenticateResponse, error) {
	if r.GetIdToken() != "an-id-token" {
		return nil, status.Error(codes.Unauthenticated, "too old")
	}
	return &auth.AuthenticateResponse{PachToken: "a-session"}, nil
}

func TestLogin_IDToken(t *testing.T) {
	address := serve(t, func(s *grpc.Server) {
		auth.RegisterAPIServer(s, tokenTaker{})
		admin.RegisterAPIServer(s, inspector{info: &admin.ClusterInfo{}})
	})
	for given, want := range map[string]string{"an-id-token": `You are "user:alice@example.com"`, "x\n": "you are not signed in: too old", "\n": "no ID token was given"} {
		w := newWorld(t, map[string]string{"PACHD_ADDRESS": address})
		w.Stdin = strings.NewReader(given)
		w.run(t, "login", "-t")
		if got := w.said(); !strings.Contains(got, want) {
			t.Errorf("%q: got %s, want %s", given, got, want)
		}
	}
}

// upstream is a server without the services of ours.
type upstream struct {
	auth.UnimplementedAPIServer
	err error
}

func (upstream) GetOIDCLogin(context.Context, *auth.GetOIDCLoginRequest) (*auth.GetOIDCLoginResponse, error) {
	return &auth.GetOIDCLoginResponse{LoginUrl: "https://id.example.com/auth?x=1", State: "state"}, nil
}

func (u upstream) Authenticate(_ context.Context, r *auth.AuthenticateRequest) (*auth.AuthenticateResponse, error) {
	if r.GetOidcState() != "state" {
		return nil, status.Error(codes.Unauthenticated, "bad state")
	}
	return &auth.AuthenticateResponse{PachToken: "a-session"}, u.err
}

func (upstream) WhoAmI(context.Context, *auth.WhoAmIRequest) (*auth.WhoAmIResponse, error) {
	return aliceIs(), nil
}

type inspector struct {
	admin.UnimplementedAPIServer
	info *admin.ClusterInfo
}

func (i inspector) InspectCluster(_ context.Context, r *admin.InspectClusterRequest) (*admin.ClusterInfo, error) {
	if r.GetCurrentProject() != nil {
		return nil, status.Error(codes.Unauthenticated, "no authentication token")
	}
	return i.info, nil
}

type signInInfo struct {
	pach.UnimplementedAPIServer
	info *pach.GetSignInResponse
}

func (s signInInfo) GetSignIn(context.Context, *pach.GetSignInRequest) (*pach.GetSignInResponse, error) {
	return s.info, nil
}

func serve(t *testing.T, register func(*grpc.Server)) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	register(s)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func TestLogin_UpstreamServer(t *testing.T) {
	info := &admin.ClusterInfo{Id: "c", DeploymentId: "d", WarningsOk: true, Warnings: []string{"WARNING: old"}, Paused: true}
	for name, test := range map[string]struct {
		err  error
		code int
		want string
	}{
		"signed in": {nil, 0, `You are "user:alice@example.com"`},
		"refused":   {status.Error(codes.Unauthenticated, "wrong password"), 1, "pachctl: you are not signed in: wrong password: try again with: pachctl auth login"},
	} {
		t.Run(name, func(t *testing.T) {
			address := serve(t, func(s *grpc.Server) {
				auth.RegisterAPIServer(s, upstream{err: test.err})
				admin.RegisterAPIServer(s, inspector{info: info})
			})
			w := newWorld(t, nil)
			text := []byte(`{"v2": {"active_context": "c", "contexts": {"c": {"pachd_address": "` + address + `"}}}}`)
			if err := os.WriteFile(w.config, text, 0o600); err != nil {
				t.Fatal(err)
			}
			code := w.run(t, "login", "--no-browser")
			if code != test.code || !strings.Contains(w.stdout.String()+w.stderr.String(), test.want) {
				t.Errorf("exit code %d: %s%s", code, &w.stdout, &w.stderr)
			}
			if !strings.Contains(w.stdout.String(), "\n\nhttps://id.example.com/auth?x=1\n\n") {
				t.Errorf("the address does not stand alone: %q", &w.stdout)
			}
			if !strings.Contains(w.stderr.String(), "pachctl: old\n") || !strings.Contains(w.stderr.String(), "paused") {
				t.Errorf("the warnings are not passed on: %s", &w.stderr)
			}
			if got := w.configText(t); strings.Contains(got, "a-session") != (test.err == nil) || !strings.Contains(got, `"cluster_deployment_id": "d"`) {
				t.Errorf("the configuration: %s", got)
			}
		})
	}
}

func TestLogin_WebURLsOnly(t *testing.T) {
	for _, bad := range []string{"file:///etc/passwd", "javascript:alert(1)", "-x", "", "https://", "https://alice:pw@x"} {
		address := serve(t, func(s *grpc.Server) {
			admin.RegisterAPIServer(s, inspector{info: &admin.ClusterInfo{}})
			pach.RegisterAPIServer(s, signInInfo{info: &pach.GetSignInResponse{
				Connected: true, AuthorizationEndpoint: bad, TokenEndpoint: "https://x/token", DeviceAuthorizationEndpoint: "https://x/device",
			}})
		})
		w := newWorld(t, map[string]string{"PACHD_ADDRESS": address, "BROWSER": "/bin/false"})
		if code := w.run(t, "login"); code != 1 || !strings.Contains(w.stderr.String(), "no web address") || w.stdout.Len() > 0 {
			t.Errorf("%q: exit code %d: %s%s", bad, code, &w.stdout, &w.stderr)
		}
	}
}
