package signin

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"pachyderm/api/auth"
	"pachyderm/api/pach"
	"pachyderm/internal/fault"
)

// withWorkloadToken exchanges the token that another issuer gave this job for one
// of a robot (RFC 8693).
func (s *signIn) withWorkloadToken(ctx context.Context, o loginOptions) (*auth.WhoAmIResponse, error) {
	raw, err := s.kit.ReadInput(o.workload)
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.kit.Limit(ctx)
	defer cancel()
	if s.info, err = s.client.Pach.GetSignIn(ctx, &pach.GetSignInRequest{}); err != nil {
		return nil, err
	}
	if s.info.GetTokenEndpoint() == "" {
		return nil, fault.New(fault.Precondition, "people and programs sign in at another server here").
			Next("exchange the token there, with the contexts of pachctl config")
	}
	if err := checkURL(s.info.GetTokenEndpoint()); err != nil {
		return nil, err
	}
	if s.http, err = httpClient(s.target.CAs); err != nil {
		return nil, err
	}
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	err = s.post(ctx, s.info.GetTokenEndpoint(), url.Values{
		"grant_type":         {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_token":      {strings.TrimSpace(string(raw))},
		"subject_token_type": {"urn:ietf:params:oauth:token-type:jwt"},
	}, &answer)
	if no := (*oauthError)(nil); errors.As(err, &no) {
		return nil, fault.New(fault.Unauthenticated, "the workload's token was not taken: %s", no.Error())
	}
	if err != nil {
		return nil, err
	}
	return s.keep(ctx, answer.AccessToken)
}
