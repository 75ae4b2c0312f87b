package exchange

import (
	"net/http"
	"net/url"
	"time"

	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/endpoint"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
)

// The types of tokens that are taken and given (RFC 8693, 3).
const (
	typeJWT         = "urn:ietf:params:oauth:token-type:jwt"
	typeIDToken     = "urn:ietf:params:oauth:token-type:id_token"     //nolint:gosec // the name of a type
	typeAccessToken = "urn:ietf:params:oauth:token-type:access_token" //nolint:gosec // the name of a type
)

// answer is that of RFC 8693, 2.2.1.
type answer struct {
	AccessToken     string `json:"access_token"`
	IssuedTokenType string `json:"issued_token_type"`
	TokenType       string `json:"token_type"`
	ExpiresIn       int64  `json:"expires_in"` // seconds
}

// Serve answers a request to the token endpoint whose grant type is token
// exchange. The workload proves itself by its token, and is no OIDC client.
func (s *Service) Serve(w http.ResponseWriter, r *http.Request, form url.Values) error {
	robot, err := s.check(form)
	if err != nil {
		return err
	}
	raw, ttl, err := s.exchange(r.Context(), secret.Text(form.Get("subject_token")), robot)
	switch {
	case fault.Is(err, fault.Unavailable):
		return endpoint.Unavailable(err)
	case fault.Is(err, fault.Invalid):
		return endpoint.InvalidRequest(fault.Message(err))
	case fault.Is(err, fault.Denied), fault.Is(err, fault.NotFound), fault.Is(err, fault.Unauthenticated), fault.Is(err, fault.Precondition):
		// What is wrong, anybody could learn from the answer that a forged token gets.
		s.with.Log.WarnContext(r.Context(), "token exchange refused", "error", err)
		return endpoint.InvalidRequest("no trust here accepts this token: an administrator finds out why with: pachctl idp trust test")
	case err != nil:
		s.with.Log.ErrorContext(r.Context(), "cannot exchange a token", "error", err)
		return &endpoint.Error{Status: http.StatusInternalServerError, Code: "server_error", Description: "something went wrong on our side"}
	}
	endpoint.Answer(w, http.StatusOK, answer{raw.Reveal(), typeAccessToken, "Bearer", int64(ttl / time.Second)})
	return nil
}

// check holds a request to RFC 8693, 2.1, and returns the robot that it names, if
// any, in requested_subject.
func (s *Service) check(form url.Values) (robot principal.Name, err error) {
	switch kind := form.Get("subject_token_type"); {
	case form.Get("subject_token") == "":
		return "", endpoint.InvalidRequest("subject_token is missing")
	case kind != typeJWT && kind != typeIDToken:
		return "", endpoint.InvalidRequest("subject_token_type must be " + typeJWT)
	case form.Has("actor_token"):
		return "", endpoint.InvalidRequest("an actor_token is not taken: leave it out")
	}
	if kind := form.Get("requested_token_type"); kind != "" && kind != typeAccessToken {
		return "", endpoint.InvalidRequest("requested_token_type can only be " + typeAccessToken)
	}
	for _, name := range []string{"audience", "resource"} {
		if target := form.Get(name); target != "" && target != s.with.Issuer() {
			return "", endpoint.Refuse("invalid_target", "the tokens given are for Pachyderm only: leave out "+name)
		}
	}
	if named := form.Get("requested_subject"); named != "" {
		if robot, err = principal.Parse(named); err != nil || robot.Kind() != principal.Robot {
			return "", endpoint.InvalidRequest("requested_subject must be a robot, such as robot:NAME")
		}
	}
	return robot, nil
}
