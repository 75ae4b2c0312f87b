package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	dexconn "github.com/dexidp/dex/connector"
	"github.com/dexidp/dex/server/connectors"
	"github.com/dexidp/dex/storage"
	"golang.org/x/oauth2"

	"pachyderm/demo/op/optest"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/loginctx"
	"pachyderm/internal/principal"
	"pachyderm/test/idp"
)

func TestWithin_Panic(t *testing.T) {
	t.Parallel()
	_, err := Within(t.Context(), func(ctx context.Context) (dexconn.CallbackConnector, error) {
		return ctx.Value("no such").(dexconn.CallbackConnector), nil
	})
	if fault.KindOf(err) != fault.Internal || !strings.Contains(err.Error(), "conversion") {
		t.Errorf("got %v", err)
	}
}

// cached is how Dex gets at connectors.
type cached struct {
	storage.Storage
	o *office
}

func (c cached) GetConnector(_ context.Context, id string) (storage.Connector, error) {
	return c.o.ForDex(c.o.row(id)), nil
}

func TestResolve_FileComesBack(t *testing.T) {
	t.Parallel()
	o := open(t)
	p := optest.Start(t, callbackURL)
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, idp.NewCA(t).PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	o.connect("demo", "oidc", oidcOf(p.Issuer, p.ClientID, p.ClientSecret, map[string]any{"rootCAs": []any{file}}))
	cache := connectors.NewCache(cached{o: o}, o.Resolve)
	begins := func() error {
		c, err := cache.Get(t.Context(), "demo")
		if err != nil {
			return err
		}
		o.Began("state", &loginctx.Login{})
		defer o.Forget("state")
		_, _, err = c.Connector.(dexconn.CallbackConnector).LoginURL(dexconn.Scopes{}, callbackURL, "state")
		return err
	}
	away := file + ".away"
	if err := os.Rename(file, away); err != nil {
		t.Fatal(err)
	}
	if err := begins(); fault.KindOf(err) != fault.Invalid {
		t.Errorf("without its file: %v", err)
	}
	if err := os.Rename(away, file); err != nil {
		t.Fatal(err)
	}
	if err := begins(); err != nil {
		t.Errorf("with its file again: %v", err)
	}
}

// A file may be on a disk that does not answer.
func TestProvider_NobodyWaitsForAnother(t *testing.T) {
	t.Parallel()
	o := open(t)
	p := optest.Start(t, callbackURL)
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, idp.NewCA(t).PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	o.connect("slow", "oidc", oidcOf(p.Issuer, p.ClientID, p.ClientSecret, map[string]any{"rootCAs": []any{file}}))
	o.connect("well", "oidc", oidcOf(p.Issuer, p.ClientID, p.ClientSecret, nil))
	if err := errors.Join(os.Remove(file), syscall.Mkfifo(file, 0o600)); err != nil {
		t.Fatal(err)
	}
	slow, well := o.row("slow"), make(chan error, 1)
	opening := make(chan struct{})
	go func() {
		close(opening)
		_, _ = o.Provider(slow)
	}()
	<-opening
	time.Sleep(50 * time.Millisecond)
	go func() { well <- o.begins("well") }()
	select {
	case err := <-well:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the other connector is waited for")
	}
	w, err := os.OpenFile(file, os.O_WRONLY, 0) // lets the one that waits go
	if err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
}

// What a browser brings says nothing of the health of the provider: anybody can
// write it into an address.
func TestHealth_ErrorsFromBrowsers(t *testing.T) {
	t.Parallel()
	o := open(t)
	p := optest.Start(t, callbackURL)
	o.connect("demo", "oidc", oidcOf(p.Issuer, p.ClientID, p.ClientSecret, nil))
	c := o.forDex("demo").(dexconn.CallbackConnector)
	var begun [][]byte
	for range 3 {
		o.Began("state", &loginctx.Login{Revision: o.row("demo").Revision})
		_, data, err := c.LoginURL(dexconn.Scopes{}, callbackURL, "state")
		if err != nil {
			t.Fatal(err)
		}
		begun = append(begun, data)
	}
	for _, data := range begun {
		r := httptest.NewRequest(http.MethodGet, callbackURL+"?state=state&error=server_error&iss="+p.Issuer, nil)
		if _, err := c.HandleCallback(dexconn.Scopes{}, data, r); !fault.Is(err, fault.Unavailable) {
			t.Fatal(err)
		}
	}
	if h := o.Health(o.row("demo")); h.State != Ready {
		t.Errorf("the connector is %s: %s", h.State, h.Error)
	}
	if err := o.begins("demo"); err != nil {
		t.Errorf("the next sign-in: %v", err)
	}
}

// Applications end a session that is refused, and keep one whose provider is down
// (RFC 6749, 5.2). The errors of Dex's connectors do not tell which it is.
func TestAsk_OutageIsNoRefusal(t *testing.T) {
	t.Parallel()
	o := open(t)
	at := func(status int) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		t.Cleanup(s.Close)
		return s.URL
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, c := range map[string]struct {
		url  string
		want fault.Kind
	}{
		"a person who is gone":   {at(http.StatusUnauthorized), fault.Unauthenticated},
		"a server that is ill":   {at(http.StatusBadGateway), fault.Unavailable},
		"a server that is busy":  {at(http.StatusTooManyRequests), fault.Unavailable},
		"a server that is gone":  {gone.URL, fault.Unavailable},
		"no question to anybody": {"", fault.Unauthenticated},
	} {
		_, err := ask(t.Context(), wrapped{upstream: o.Upstream, id: name}, stepCallback, func(ctx context.Context) (string, error) {
			if c.url == "" {
				return "", errors.New("dex: no")
			}
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
			if err != nil {
				return "", err
			}
			client, _ := ctx.Value(oauth2.HTTPClient).(*http.Client)
			res, err := client.Do(r)
			if err == nil {
				err = errors.Join(errors.New("dex: status "+res.Status), res.Body.Close())
			}
			return "", fmt.Errorf("dex: get user: %v", err) //nolint:errorlint // as Dex does
		})
		if fault.KindOf(err) != c.want {
			t.Errorf("%s: %s: %v", name, fault.KindOf(err), err)
		}
	}
}

func TestHealth_DeletedConnector(t *testing.T) {
	t.Parallel()
	o := open(t)
	p := idp.StartTroubled(t, idp.NewCA(t))
	config := oidcOf(p.Issuer, "c", "s", map[string]any{"rootCAs": []any{string(p.CA.PEM)}})
	o.connect("demo", "oidc", config)
	o.connect("other", "oidc", config)
	p.Fall(idp.Outdated)
	for range 3 {
		o.pingAll(t.Context())
		o.later(time.Minute)
	}
	o.later(-time.Minute)
	if err := o.begins("demo"); !fault.Is(err, fault.Unavailable) {
		t.Fatalf("while it is down: %v", err)
	}
	p.Fall("")
	if err := o.registry.DeleteConnector(t.Context(), principal.Root, "demo"); err != nil {
		t.Fatal(err)
	}
	o.pingAll(t.Context())
	o.connect("demo", "oidc", config)
	if err := o.begins("demo"); err != nil {
		t.Errorf("a new one of its id: %v", err)
	}
}
