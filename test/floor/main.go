// Command floor is a server that does of a login only what any server has to do, for "make
// bench" to measure beside pachd: it takes the same requests, asks the same directory by
// the same connector, whose configuration is read from the standard input, and makes and
// verifies the same signatures. It checks nothing else, and answers what does not follow from
// that with constants. It keeps nothing, or appends what a login acknowledges to a log, and
// waits for the disk. It serves on loopback addresses, without TLS, until it is killed.
package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	dexconn "github.com/dexidp/dex/connector"
	"github.com/go-jose/go-jose/v4"
	"google.golang.org/grpc"

	"pachyderm/api/auth"
	"pachyderm/internal/connector"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, in io.Reader) error {
	flags := flag.NewFlagSet("floor", flag.ContinueOnError)
	pages := flags.String("listen", "", "loopback address to serve pages and tokens on")
	calls := flags.String("grpc", "", "loopback address to serve Authenticate on")
	algorithm := flags.String("algorithm", "RS256", "RS256 or ES256, of ID tokens")
	logFile := flags.String("log", "", "file to keep a record of each code and session in; none is kept when empty")
	if err := flags.Parse(args); err != nil {
		return err
	}
	s := &server{log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	var config map[string]any
	if err := json.NewDecoder(in).Decode(&config); err != nil {
		return err
	}
	provider, err := connector.Open("ldap", "ldap", config, connector.Deps{Now: time.Now, Log: s.log})
	if err != nil {
		return err
	}
	asks, ok := provider.Connector.(dexconn.PasswordConnector)
	if !ok {
		return errors.New("the connector asks for no password")
	}
	s.directory = asks
	if err := s.makeKeys(jose.SignatureAlgorithm(*algorithm)); err != nil {
		return err
	}
	if *logFile != "" {
		if s.kept, err = openJournal(*logFile); err != nil {
			return err
		}
	}
	failed := make(chan error, 2)
	go func() { failed <- s.servePages(ctx, *pages) }()
	go func() { failed <- s.serveCalls(ctx, *calls) }()
	return <-failed
}

type server struct {
	auth.UnimplementedAPIServer
	log       *slog.Logger
	directory dexconn.PasswordConnector
	// ids sign ID tokens, accesses access tokens, which are always ES256.
	ids, accesses jose.Signer
	algorithm     jose.SignatureAlgorithm
	public        crypto.PublicKey
	kept          *journal // nil if nothing is
}

func (s *server) makeKeys(algorithm jose.SignatureAlgorithm) error {
	es, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	var key crypto.Signer = es
	if algorithm == jose.RS256 {
		const bits = 2048
		if key, err = rsa.GenerateKey(rand.Reader, bits); err != nil {
			return err
		}
	}
	s.algorithm, s.public = algorithm, key.Public()
	if s.ids, err = jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, nil); err != nil {
		return err
	}
	s.accesses, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: es}, nil)
	return err
}

func (s *server) servePages(ctx context.Context, address string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /auth", s.form)
	mux.HandleFunc("POST /login", s.login)
	mux.HandleFunc("POST /token", s.token)
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	const slow = 10 * time.Second
	return (&http.Server{Handler: mux, ReadHeaderTimeout: slow}).Serve(l)
}

// form asks for the password. The page is as long as pachd's.
func (s *server) form(w http.ResponseWriter, r *http.Request) {
	const length = 1500
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	back := url.Values{"to": {r.FormValue("redirect_uri")}, "state": {r.FormValue("state")}}
	_, _ = fmt.Fprintf(w, `<!DOCTYPE html><title>Sign in</title><form method="post" action="/login?%s"><input name="login"><input type="password" name="password"></form><!--%s-->`,
		html.EscapeString(back.Encode()), strings.Repeat(" ", length))
}

func (s *server) login(w http.ResponseWriter, r *http.Request) {
	_, valid, err := s.directory.Login(r.Context(), dexconn.Scopes{Groups: true}, r.PostFormValue("login"), r.PostFormValue("password"))
	if err != nil || !valid {
		s.log.ErrorContext(r.Context(), "login", "valid", valid, "error", err)
		http.Error(w, "not signed in", http.StatusUnauthorized)
		return
	}
	to := r.URL.Query().Get("to") + "?" + url.Values{"code": {"the-code"}, "state": {r.URL.Query().Get("state")}}.Encode()
	http.Redirect(w, r, to, http.StatusSeeOther) //nolint:gosec // a benchmark's own address
}

func (s *server) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := s.kept.keep(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	access, err := sign(s.accesses)
	id, errID := sign(s.ids)
	if err := errors.Join(err, errID); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{"access_token": access, "id_token": id, "token_type": "bearer"})
}

// sign makes a token that is as long as pachd's.
func sign(by jose.Signer) (string, error) {
	const length = 500
	signed, err := by.Sign([]byte(`{"sub":"` + strings.Repeat("x", length) + `"}`))
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

func (s *server) serveCalls(ctx context.Context, address string) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	calls := grpc.NewServer()
	auth.RegisterAPIServer(calls, s)
	return calls.Serve(l)
}

// Authenticate verifies the signature of the ID token.
func (s *server) Authenticate(_ context.Context, r *auth.AuthenticateRequest) (*auth.AuthenticateResponse, error) {
	signed, err := jose.ParseSigned(r.GetIdToken(), []jose.SignatureAlgorithm{s.algorithm})
	if err != nil {
		return nil, err
	}
	if _, err := signed.Verify(s.public); err != nil {
		return nil, err
	}
	if err := s.kept.keep(); err != nil {
		return nil, err
	}
	return &auth.AuthenticateResponse{PachToken: "the-session"}, nil
}
