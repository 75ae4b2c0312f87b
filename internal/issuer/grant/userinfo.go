package grant

import (
	"context"
	"net/http"
	"strings"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/claims"
	"pachyderm/internal/issuer/endpoint"
	"pachyderm/internal/people/identity"
)

// ServeUserInfo answers with the claims about the person of an access token
// (OpenID Connect Core, 5.3), while its grant has not ended and the gate lets the
// person through.
func (s *Server) ServeUserInfo(w http.ResponseWriter, r *http.Request) error {
	raw, ok := bearer(r)
	if !ok {
		return &endpoint.Error{
			Status: http.StatusUnauthorized, Code: "invalid_request", Description: "send the access token as: Authorization: Bearer TOKEN",
			Challenge: "Bearer",
		}
	}
	info, err := s.userInfo(r.Context(), raw)
	switch {
	case err == nil:
		endpoint.Answer(w, http.StatusOK, info)
		return nil
	case fault.Is(err, fault.Unavailable):
		return endpoint.Unavailable(err)
	}
	return &endpoint.Error{
		Status: http.StatusUnauthorized, Code: "invalid_token", Description: "the access token is not valid",
		Challenge: `Bearer error="invalid_token"`,
	}
}

type userInfo struct {
	Subject string `json:"sub"`
	claims.Person
}

func (s *Server) userInfo(ctx context.Context, raw string) (out userInfo, err error) {
	_, said, err := s.accessToken(ctx, raw)
	if err != nil {
		return out, err
	}
	return out, s.DB.View(ctx, func(tx *db.Tx) error {
		g, err := s.ByID(ctx, tx, said.Grant)
		if err != nil {
			return err
		}
		who, err := identity.Gate(ctx, tx, "", g.IdentityID)
		out = userInfo{who.TokenSub, claims.For(who, g.Person, strings.Fields(said.Scope))}
		return err
	})
}

func bearer(r *http.Request) (string, bool) {
	kind, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return token, ok && strings.EqualFold(kind, "bearer") && token != ""
}
