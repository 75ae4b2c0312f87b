package pach

import (
	"context"
	"slices"
	"strings"
	"time"

	pb "pachyderm/api/pach"
	"pachyderm/internal/access/freshness"
	"pachyderm/internal/db"
	"pachyderm/internal/issuer"
	"pachyderm/internal/issuer/exchange"
	"pachyderm/internal/people"
	"pachyderm/internal/people/login"
	"pachyderm/internal/people/session"
	"pachyderm/internal/principal"
)

type server struct {
	pb.UnimplementedAPIServer
	db       *db.DB
	sessions *session.Service
	issuer   *issuer.Issuer
	exchange *exchange.Service
	login    *login.Service
	now      func() time.Time
	fresh    *freshness.Service
}

// New serves pach_v1.
func New(d *db.DB, sessions *session.Service, i *issuer.Issuer, e *exchange.Service, l *login.Service, now func() time.Time,
	fresh *freshness.Service,
) pb.APIServer {
	return &server{db: d, sessions: sessions, issuer: i, exchange: e, login: l, now: now, fresh: fresh}
}

func (s *server) people() *people.Service {
	return people.New(people.Config{
		DB: s.db, Sessions: s.sessions, Registry: s.issuer.Registry, Refresh: s.issuer.RefreshTokens, Traces: s.issuer.Traces, Now: s.now,
	})
}

// GetSignIn tells pachctl where and how to sign in.
func (s *server) GetSignIn(ctx context.Context, _ *pb.GetSignInRequest) (*pb.GetSignInResponse, error) {
	elsewhere, err := s.login.Elsewhere(ctx)
	if err != nil || elsewhere != "" {
		return &pb.GetSignInResponse{Issuer: elsewhere, Connected: true}, err
	}
	connected, err := s.issuer.Connected(ctx)
	at := func(path string) string { return s.issuer.Outside(ctx, s.issuer.Endpoint(path)) }
	return &pb.GetSignInResponse{
		Issuer: s.issuer.URL(), AuthorizationEndpoint: at("/auth"), TokenEndpoint: at("/token"),
		DeviceAuthorizationEndpoint: at("/device/code"), ClientId: issuer.CLIClient, DeviceClientId: issuer.DeviceClient,
		Connected: connected, CallbackUrl: at("/callback"),
	}, err
}

// page is what a List request asks for by page size and page token.
func page(list interface {
	GetPageSize() int32
	GetPageToken() string
},
) db.Page {
	return db.Page{After: list.GetPageToken(), Limit: int(list.GetPageSize())}
}

// prefix is how the names of a kind begin that are searched for.
func prefix(k principal.Kind, text string) string {
	if text == "" {
		return ""
	}
	return string(k) + ":" + strings.ToLower(strings.TrimPrefix(text, string(k)+":"))
}

// pageOf is a page of a list that is in memory, in the order of its ids.
func pageOf[T any](all []T, p db.Page, id func(T) string) (items []T, next string) {
	all = slices.DeleteFunc(all, func(v T) bool { return id(v) <= p.After })
	if len(all) <= p.Size() {
		return all, ""
	}
	return all[:p.Size()], id(all[p.Size()-1])
}
