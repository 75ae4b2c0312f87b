package rpc_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	authpb "pachyderm/api/auth"
	identitypb "pachyderm/api/identity"
	pachpb "pachyderm/api/pach"
	"pachyderm/demo/op/optest"
	"pachyderm/internal/access"
	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/identity"
	"pachyderm/internal/issuer"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/login"
	"pachyderm/internal/principal"
	"pachyderm/internal/rpc"
	"pachyderm/internal/secret"
	"pachyderm/internal/token"
)

const rootToken = "the-root-token"

// house is the server that ships, put together as pachd does it, with a clock
// that the test can put forward and with hands on its parts.
type house struct {
	t      *testing.T
	db     *db.DB
	people *identity.Service
	issuer *issuer.Issuer
	conn   *grpc.ClientConn
	auth   authpb.APIClient
	idp    identitypb.APIClient
	pach   pachpb.APIClient
	url    string // of the pages
	login  *login.Service
	log    *lines
	ahead  atomic.Int64
}

// lines is a log that may be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func each(t *testing.T, f func(t *testing.T, h *house)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *db.DB) { f(t, open(t, d)) })
}

func (h *house) now() time.Time { return time.Now().Add(time.Duration(h.ahead.Load())) }

func open(t *testing.T, d *db.DB) *house {
	t.Helper()
	h := &house{t: t, db: d, log: &lines{}}
	log := slog.New(slog.NewTextHandler(h.log, nil))
	h.people = &identity.Service{DB: d, Now: h.now}
	h.update(func(tx *db.Tx) error {
		if err := access.Activate(t.Context(), tx); err != nil {
			return err
		}
		return token.Put(t.Context(), tx, rootToken, principal.Root, "", h.now(), 0)
	})
	roles := &access.Service{DB: d, Now: h.now}
	if err := roles.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	sealer, err := secret.OpenFor(t.Context(), d, filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	pages := httptest.NewUnstartedServer(nil)
	h.issuer, err = issuer.New(t.Context(), issuer.Config{
		DB: d, Sealer: sealer, People: h.people, Log: log, Now: h.now,
		PublicURL: "http://" + pages.Listener.Addr().String(), SigningAlgorithm: "ES256",
	})
	if err != nil {
		t.Fatal(err)
	}
	signIn := &login.Service{DB: d, Sealer: sealer, Issuer: h.issuer, People: h.people, Log: log, Now: h.now, SessionTTL: time.Hour}
	h.login = signIn
	mux := http.NewServeMux()
	mux.Handle("/authorization-code/", signIn.Handler())
	mux.Handle("/", h.issuer)
	pages.Config.Handler = mux
	s, err := rpc.New(rpc.Config{
		DB: d, Access: roles, People: h.people, Issuer: h.issuer, Login: signIn, Log: log, Now: h.now, ClusterID: "the-cluster", DeploymentID: "the-deployment",
	})
	if err != nil {
		t.Fatal(err)
	}
	h.serve(s, pages)
	return h
}

func (h *house) serve(s *rpc.Server, pages *httptest.Server) {
	h.t.Helper()
	l, err := (&net.ListenConfig{}).Listen(h.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(h.t.Context())
	var running sync.WaitGroup
	for _, run := range []func() error{
		func() error { return s.Serve(l) }, func() error { return h.issuer.Run(ctx) }, func() error { return h.db.Listen(ctx) },
	} {
		running.Go(func() {
			if err := run(); err != nil {
				h.t.Error(err)
			}
		})
	}
	pages.Start()
	h.t.Cleanup(func() {
		s.Stop()
		pages.Close()
		stop()
		running.Wait()
	})
	h.conn, err = grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = h.conn.Close() })
	h.auth, h.idp, h.pach = authpb.NewAPIClient(h.conn), identitypb.NewAPIClient(h.conn), pachpb.NewAPIClient(h.conn)
	h.url = pages.URL
}

func (h *house) update(f func(tx *db.Tx) error) {
	h.t.Helper()
	if err := h.db.Update(h.t.Context(), f); err != nil {
		h.t.Fatal(err)
	}
}

// root calls with the root token.
func (h *house) root() context.Context { return as(h.t.Context(), rootToken) }

// robot makes a robot and calls with its token.
func (h *house) robot(name string, ttl int64) (ctx context.Context, raw string) {
	h.t.Helper()
	res, err := h.auth.GetRobotToken(h.root(), &authpb.GetRobotTokenRequest{Robot: name, Ttl: ttl})
	if err != nil {
		h.t.Fatal(err)
	}
	return as(h.t.Context(), res.GetToken()), res.GetToken()
}

func (h *house) bind(r *authpb.Resource, who string, roles ...string) error {
	_, err := h.auth.ModifyRoleBinding(h.root(), &authpb.ModifyRoleBindingRequest{Resource: r, Principal: who, Roles: roles})
	return err
}

func (h *house) connect() {
	h.t.Helper()
	p := optest.Start(h.t, h.issuer.Callback())
	err := h.issuer.CreateConnector(h.t.Context(), principal.Root, registry.Connector{ID: "demo", Name: "Demo", Type: "oidc", Config: map[string]any{
		"issuer": p.Issuer, "clientID": p.ClientID, "clientSecret": p.ClientSecret, "redirectURI": h.issuer.Callback(), "insecureEnableGroups": true,
	}})
	if err != nil {
		h.t.Fatal(err)
	}
}

// alice signs in as upstream's pachctl lets her: it waits by the state while
// she goes through the browser.
func (h *house) alice() (session string) {
	h.t.Helper()
	start, err := h.auth.GetOIDCLogin(h.t.Context(), &authpb.GetOIDCLoginRequest{})
	if err != nil {
		h.t.Fatal(err)
	}
	type answer struct {
		res *authpb.AuthenticateResponse
		err error
	}
	waiting := make(chan answer, 1)
	ctx := h.t.Context()
	go func() {
		res, err := h.auth.Authenticate(ctx, &authpb.AuthenticateRequest{OidcState: start.GetState()})
		waiting <- answer{res, err}
	}()
	b := optest.NewBrowser(h.t, func(*url.URL) bool { return false })
	b.Submit(b.SignIn(start.GetLoginUrl(), optest.Alice), map[string]string{"answer": "yes"})
	got := <-waiting
	if got.err != nil {
		h.t.Fatal(got.err)
	}
	return got.res.GetPachToken()
}
