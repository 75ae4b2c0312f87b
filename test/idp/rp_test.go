package idp_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"pachyderm/test/idp"
)

// callback is where relying parties of these tests are told to send a browser;
// nobody listens there.
const callback = "http://127.0.0.1:1/callback"

func atCallback(u *url.URL) bool { return strings.HasPrefix(u.String(), callback) }

// relyingParty is the least that OpenID Connect wants of one.
type relyingParty struct {
	issuer, id, secret string
	client             func() *http.Client
	// userInfo says that the claims are there, rather than in the ID token.
	userInfo bool
}

// signIn returns the claims that the provider makes of somebody.
func (r relyingParty) signIn(t *testing.T, p idp.Person) (map[string]any, error) {
	t.Helper()
	client := r.client()
	ctx := oidc.ClientContext(t.Context(), client)
	provider, err := oidc.NewProvider(ctx, r.issuer)
	if err != nil {
		t.Fatal(err)
	}
	config := &oauth2.Config{
		ClientID: r.id, ClientSecret: r.secret, Endpoint: provider.Endpoint(), RedirectURL: callback,
		Scopes: []string{"openid", "email", "profile", "groups"},
	}
	verifier := oauth2.GenerateVerifier()
	start := config.AuthCodeURL("the-state", oidc.Nonce("the-nonce"), oauth2.S256ChallengeOption(verifier))
	end, text, err := idp.SignIn(t, client, start, p, atCallback)
	if err != nil {
		return nil, err
	}
	if end.Query().Get("state") != "the-state" {
		return nil, fmt.Errorf("it ends at %s: %s", end, text)
	}
	token, err := config.Exchange(ctx, end.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	return r.claims(ctx, t, provider, token), nil
}

func (r relyingParty) claims(ctx context.Context, t *testing.T, provider *oidc.Provider, token *oauth2.Token) map[string]any {
	t.Helper()
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		t.Fatal("no ID token")
	}
	id, err := provider.Verifier(&oidc.Config{ClientID: r.id}).Verify(ctx, raw)
	if err != nil {
		t.Fatal(err)
	}
	if id.Nonce != "the-nonce" {
		t.Errorf("the nonce is %q", id.Nonce)
	}
	claims := map[string]any{}
	if err := id.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	if r.userInfo {
		info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
		if err != nil {
			t.Fatal(err)
		}
		if err := info.Claims(&claims); err != nil {
			t.Fatal(err)
		}
	}
	return claims
}

// check signs everybody in, and nobody with a wrong password.
func (r relyingParty) check(t *testing.T, people []idp.Person) {
	t.Helper()
	for _, p := range people {
		claims, err := r.signIn(t, p)
		if err != nil {
			t.Errorf("%s: %v", p.Name, err)
			continue
		}
		groups, _ := claims["groups"].([]any)
		var names []string
		for _, g := range groups {
			names = append(names, g.(string))
		}
		if claims["email"] != p.Email || !slices.Equal(names, p.Groups) {
			t.Errorf("%s is %v", p.Name, claims)
		}
	}
	if claims, err := r.signIn(t, people[0].WithPassword("wrong")); !errors.Is(err, idp.ErrRefused) {
		t.Errorf("a wrong password: %v, %v", claims, err)
	}
}

func TestDex(t *testing.T) {
	t.Parallel()
	d := idp.StartDex(t, callback)
	party := relyingParty{issuer: d.Issuer, id: d.ClientID, secret: d.ClientSecret, client: func() *http.Client { return idp.NewClient(t) }}
	party.check(t, d.People)
	d.Stop()
	if _, _, err := idp.SignIn(t, idp.NewClient(t), d.Issuer, d.People[0], atCallback); err == nil {
		t.Error("it still answers")
	}
	d.Start()
	if _, err := party.signIn(t, d.People[1]); err != nil {
		t.Error(err)
	}
}

func TestAuth0(t *testing.T) {
	t.Parallel()
	a := idp.StartAuth0(t, nil)
	relyingParty{issuer: a.Issuer, id: a.ClientID, secret: a.ClientSecret, client: func() *http.Client { return a.CA.Client(t) }}.check(t, a.People)
}

func TestPanva(t *testing.T) {
	t.Parallel()
	p := idp.StartPanva(t, callback)
	party := relyingParty{issuer: p.Issuer, id: p.ClientID, secret: p.ClientSecret, client: func() *http.Client { return idp.NewClient(t) }, userInfo: true}
	for _, who := range p.People {
		claims, err := party.signIn(t, who)
		if err != nil || claims["email"] != who.Email {
			t.Errorf("%s is %v, %v", who.Name, claims, err)
		}
	}
	if claims, err := party.signIn(t, idp.Carol); err == nil {
		t.Errorf("somebody unknown: %v, %v", claims, err)
	}
}
