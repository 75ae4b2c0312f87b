package issuer

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/dexidp/dex/server/oauth2"
	"github.com/dexidp/dex/server/signer"
	"github.com/go-jose/go-jose/v4"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/device"
	"pachyderm/internal/issuer/flow"
	"pachyderm/internal/secret"
)

// Claims are the parts of an ID token of ours that others use.
type Claims struct {
	Subject  string // Identity.TokenSub of package identity
	Audience []string
	Nonce    string
	// EmailVerified is what the identity provider said of the address.
	EmailVerified bool

	IssuedAt time.Time
	Expiry   time.Time
	// Digest stands for all that the token says. No two tokens say the same:
	// each names the access token that was issued with it.
	Digest string
}

// Verify checks the signature, issuer and lifetime of an ID token that this
// issuer made. Whom it was made for is for the caller to check. Faults:
// Unauthenticated, Unavailable.
func (i *Issuer) Verify(ctx context.Context, raw string) (Claims, error) {
	t, err := i.verify(ctx, raw)
	if err != nil {
		return Claims{}, err
	}
	var said json.RawMessage
	if err := t.Claims(&said); err != nil {
		return Claims{}, err
	}
	var person struct {
		EmailVerified bool `json:"email_verified"`
	}
	if err := json.Unmarshal(said, &person); err != nil {
		return Claims{}, err
	}
	return Claims{
		Subject: t.Subject, EmailVerified: person.EmailVerified, Audience: t.Audience, Nonce: t.Nonce, IssuedAt: t.IssuedAt, Expiry: t.Expiry, Digest: secret.Hash(string(said)),
	}, nil
}

func (i *Issuer) verify(ctx context.Context, raw string) (*oidc.IDToken, error) {
	if err := i.waitForKeys(ctx); err != nil {
		return nil, err
	}
	if _, err := i.signer.ValidationKeys(ctx); err != nil {
		return nil, fault.New(fault.Unavailable, "the signing keys cannot be read").
			Next("try again shortly").Because(err)
	}
	t, err := oidc.NewVerifier(i.URL(), &signer.KeySet{Signer: i.signer}, &oidc.Config{
		SkipClientIDCheck:    true, // the callers know different audiences
		SupportedSigningAlgs: []string{string(jose.RS256), string(jose.ES256)},
		Now:                  i.Now,
	}).Verify(ctx, raw)
	if err != nil {
		return nil, fault.New(fault.Unauthenticated, "could not verify token: it is not a valid ID token of %s", i.URL()).
			Next("log in again with: pachctl auth login").Because(err)
	}
	return t, nil
}

// Redeem exchanges an authorization code as the client would over HTTP,
// without leaving the process, and returns the ID token. Fault:
// Unauthenticated, with the issuer's reason.
func (i *Issuer) Redeem(ctx context.Context, clientID, clientSecret, code, redirectURI, verifier string) (string, error) {
	form := url.Values{
		"grant_type": {oauth2.GrantTypeAuthorizationCode}, "code": {code}, "redirect_uri": {redirectURI}, "code_verifier": {verifier},
		"client_id": {clientID}, "client_secret": {clientSecret},
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, i.Endpoint("/token"), strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rec := flow.Record(i, r)
	var answer struct {
		IDToken     string `json:"id_token"`
		Description string `json:"error_description"`
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil || rec.Status != http.StatusOK || answer.IDToken == "" {
		return "", fault.New(fault.Unauthenticated, "the sign-in could not be completed: %s", answer.Description).
			Next("log in again with: pachctl auth login").Because(err)
	}
	return answer.IDToken, nil
}

// serveToken is the token endpoint: Dex's, but for a device whose person, or
// identity provider, said no, of which Dex has no notion.
func (s *served) serveToken(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if !s.parsed(w, r) {
		return
	}
	if r.PostForm.Get("grant_type") == oauth2.GrantTypeDeviceCode {
		var d device.Request
		err := s.DB.View(r.Context(), func(tx *db.Tx) (err error) {
			d, err = device.ByDeviceCode(r.Context(), tx, r.PostForm.Get("device_code"))
			return err
		})
		if err != nil && !fault.Is(err, fault.NotFound) {
			s.oauthError(w, http.StatusServiceUnavailable, oauth2.TemporarilyUnavailable, fault.Message(err))
			return
		}
		if d.Refused != "" {
			s.oauthError(w, http.StatusBadRequest, oauth2.AccessDenied, d.Refused)
			return
		}
	}
	s.dex.ServeHTTP(w, r)
}

// serveUserInfo answers with the claims about the person in the access token
// (OpenID Connect Core, 5.3). Dex's own verifies RS256 only.
func (s *served) serveUserInfo(w http.ResponseWriter, r *http.Request) {
	raw, ok := bearer(r)
	if !ok {
		w.Header().Set("WWW-Authenticate", "Bearer")
		s.oauthError(w, http.StatusUnauthorized, oauth2.AccessDenied, "send the access token as: Authorization: Bearer TOKEN")
		return
	}
	t, err := s.verify(r.Context(), raw)
	if err == nil {
		_, err = s.People.ByTokenSub(r.Context(), t.Subject)
	}
	if err != nil {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		s.oauthError(w, http.StatusUnauthorized, "invalid_token", "the access token is not valid")
		return
	}
	claims := map[string]any{}
	if err := t.Claims(&claims); err != nil {
		s.oauthError(w, http.StatusInternalServerError, oauth2.ServerError, "")
		return
	}
	out := map[string]any{}
	for _, name := range []string{"sub", "email", "email_verified", "groups", "name", "preferred_username"} {
		if v, ok := claims[name]; ok {
			out[name] = v
		}
	}
	writeJSON(w, out)
}

func bearer(r *http.Request) (string, bool) {
	kind, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return token, ok && strings.EqualFold(kind, "bearer") && token != ""
}

func (s *served) serveDiscovery(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(s.discovery) //nolint:gosec // JSON that we made
}

// makeDiscovery corrects Dex's document: what we add to the protocol, and
// what we do not serve.
func (s *served) makeDiscovery() error {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.url.AbsURL("/.well-known/openid-configuration"), nil)
	if err != nil {
		return err
	}
	rec := flow.Record(s.dex, r)
	doc := map[string]any{}
	if err := json.Unmarshal(rec.Body.Bytes(), &doc); err != nil {
		return err
	}
	delete(doc, "introspection_endpoint")
	doc["authorization_response_iss_parameter_supported"] = true
	s.discovery, err = json.MarshalIndent(doc, "", "  ")
	return err
}

func (s *served) oauthError(w http.ResponseWriter, status int, typ, description string) {
	if err := oauth2.WriteError(w, typ, description, status); err != nil {
		s.Log.Error("cannot write an answer", "error", err)
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		_, _ = io.WriteString(w, "\n")
	}
}
