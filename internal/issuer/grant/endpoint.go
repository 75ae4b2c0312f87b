package grant

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/dexidp/dex/storage"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/endpoint"
	"pachyderm/internal/issuer/jws"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/secret"
)

// The grants that are served.
const (
	codeGrant     = "authorization_code"
	refreshGrant  = "refresh_token"
	deviceGrant   = "urn:ietf:params:oauth:grant-type:device_code"
	exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange"
)

// Types are the grant types that the token endpoint serves.
func Types() []string { return []string{codeGrant, refreshGrant, deviceGrant, exchangeGrant} }

// Client is an application, and whether it must use PKCE.
type Client struct {
	storage.Client
	NeedsPKCE bool
	// MayLearnPKCE is for one that need not use PKCE until it first does.
	MayLearnPKCE bool
}

// Server serves the endpoints under one set of settings.
type Server struct {
	*Store
	Log *slog.Logger
	JWS jws.Issuer
	// Audience is what access tokens are for.
	Audience string
	// TokensLive is how long ID tokens and access tokens do, RefreshLives how long
	// refresh tokens do at most (0: as long as they are used), DevicesLive how long
	// a device waits for its person.
	TokensLive, RefreshLives, DevicesLive time.Duration

	// Client finds a client. Error: storage.ErrNotFound.
	Client func(ctx context.Context, id string) (Client, error)
	// LearntPKCE notes that a client has used PKCE.
	LearntPKCE func(ctx context.Context, tx *db.Tx, clientID string) error
	// Refresh asks the connector of a grant who its person is now.
	Refresh func(ctx context.Context, connectorID string, scopes []string, who storage.Claims, data []byte) (storage.Claims, []byte, error)
	// Exchange, if there is one, serves token exchange (RFC 8693), in which no
	// client takes part.
	Exchange func(w http.ResponseWriter, r *http.Request, form url.Values) error
	// VerificationURI is where a person types a user code.
	VerificationURI func(ctx context.Context) string
	// IsDevice reports whether a redirect URI is that of devices.
	IsDevice func(redirectURI string) bool
}

// ServeToken is the token endpoint (RFC 6749, 3.2).
func (s *Server) ServeToken(w http.ResponseWriter, r *http.Request) error {
	form, err := endpoint.ParseForm(w, r)
	if err != nil {
		return err
	}
	if form.Get("grant_type") == exchangeGrant && s.Exchange != nil {
		return s.Exchange(w, r, form)
	}
	c, err := s.authenticate(r, form)
	if err != nil {
		return err
	}
	var t Tokens
	switch kind := form.Get("grant_type"); kind {
	case codeGrant:
		t, err = s.RedeemCode(r.Context(), c, form.Get("code"), form.Get("redirect_uri"), form.Get("code_verifier"))
	case refreshGrant:
		t, err = s.refresh(r.Context(), c, form.Get("refresh_token"), strings.Fields(form.Get("scope")))
	case deviceGrant:
		t, err = s.redeemDevice(r.Context(), c, form.Get("device_code"), form.Get("code_verifier"))
	case "":
		err = endpoint.InvalidRequest("grant_type is missing")
	default:
		err = endpoint.Refuse("unsupported_grant_type", "the grant types served are: "+strings.Join(Types(), ", "))
	}
	if err != nil {
		return s.explain(r.Context(), err)
	}
	endpoint.Answer(w, http.StatusOK, t)
	return nil
}

// explain makes an answer of any error.
func (s *Server) explain(ctx context.Context, err error) error {
	var no *endpoint.Error
	switch {
	case errors.As(err, &no):
		return no
	case fault.Is(err, fault.Unavailable):
		return endpoint.Unavailable(err)
	}
	s.Log.ErrorContext(ctx, "cannot serve a grant", "error", err)
	return &endpoint.Error{Status: http.StatusInternalServerError, Code: "server_error", Description: "something went wrong on our side"}
}

// request is what a client asks, once it is known who it is.
func (s *Server) request(w http.ResponseWriter, r *http.Request) (url.Values, Client, error) {
	form, err := endpoint.ParseForm(w, r)
	if err != nil {
		return nil, Client{}, err
	}
	c, err := s.authenticate(r, form)
	return form, c, err
}

// authenticate finds the client that makes a request.
func (s *Server) authenticate(r *http.Request, form url.Values) (Client, error) {
	no := &endpoint.Error{
		Status: http.StatusUnauthorized, Code: "invalid_client", Description: "no such client, or a wrong secret",
		Challenge: s.challenge(),
	}
	id, given, err := endpoint.Credentials(r, form)
	if errors.Is(err, endpoint.ErrCredentials) {
		return Client{}, no
	}
	if err != nil {
		return Client{}, err
	}
	c, err := s.Client(r.Context(), id)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return Client{}, endpoint.Unavailable(err)
	}
	if same := secret.Same(secret.Hash(c.Secret), secret.Hash(given)); err != nil || !same {
		return Client{}, no
	}
	return c, nil
}

// challenge is what a client hears that has not authenticated (RFC 6749, 5.2).
func (s *Server) challenge() string { return `Basic realm="` + s.JWS.Name + `", charset="UTF-8"` }

// gate lets a grant give tokens only while its person may sign in, and at this
// client by this connector. The error of one that may not is an *endpoint.Error.
func (s *Server) gate(ctx context.Context, tx *db.Tx, c Client, g Grant) (identity.Identity, error) {
	if len(c.AllowedConnectors) > 0 && !slices.Contains(c.AllowedConnectors, g.ConnectorID) {
		s.refused(ctx, g, errNotAllowed)
		return identity.Identity{}, endpoint.InvalidGrant("this application may not be used with the identity provider that the person came from")
	}
	if g.IdentityID == "" {
		return identity.Identity{}, endpoint.InvalidGrant("nobody has signed in")
	}
	who, err := identity.Gate(ctx, tx, "", g.IdentityID)
	if fault.Is(err, fault.Unauthenticated) {
		s.refused(ctx, g, err)
		err = endpoint.InvalidGrant(fault.Message(err))
	}
	return who, err
}

var errNotAllowed = errors.New("its connector is not one of the client's")

func (s *Server) refused(ctx context.Context, g Grant, why error) {
	s.Log.WarnContext(ctx, "grant refused",
		"grant", g.ID, "identity", g.IdentityID, "client", g.ClientID, "connector", g.ConnectorID, "error", why)
}

// decide runs a transaction whose refusal, an *endpoint.Error, does not undo what it did:
// the grant of a code that was used twice stays ended.
func (s *Server) decide(ctx context.Context, f func(tx *db.Tx) error) error {
	var no *endpoint.Error
	err := s.DB.Update(ctx, func(tx *db.Tx) error {
		no = nil
		err := f(tx)
		if errors.As(err, &no) {
			return nil
		}
		return err
	})
	if err == nil && no != nil {
		return no
	}
	return err
}
