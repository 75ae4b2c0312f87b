package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"pachyderm/api/auth"
	"pachyderm/api/pach"
	"pachyderm/demo/op/optest"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/pachd/pachdtest"
)

func TestOverview_NothingToDo(t *testing.T) {
	s := pachdtest.Start(t)
	v := open(t, s).asRoot()
	v.want(v.at("overview"), http.StatusOK, "Nothing.", "no connectors yet")
	s.Connect()
	open(t, s).asAlice()
	v.want(v.at("overview"), http.StatusOK, "Nothing.", "Demo", "active", "1 sent to the provider, 1 came back", "1 signed in")
}

// What waits for somebody is said once, with its connector; drafts, changes that undo
// themselves, approvals, and what ends.
func TestOverview_WhatWaits(t *testing.T) {
	s := pachdtest.Start(t)
	// A day ends at midnight: what is five days off must not be four in the afternoon.
	tomorrow := time.Now().UTC().Truncate(24 * time.Hour).Add(25 * time.Hour)
	s.Ahead(time.Until(tomorrow))
	p := s.Connect()
	config := func(more ...string) map[string]any {
		c := map[string]any{
			"issuer": p.Issuer, "clientID": p.ClientID, "clientSecret": p.ClientSecret, "redirectURI": s.Issuer.Callback(), "insecureEnableGroups": true,
		}
		for i := 0; i < len(more); i += 2 {
			c[more[i]] = more[i+1]
		}
		return c
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ends := s.Now().Add(5 * 24 * time.Hour).UTC().Format(time.DateOnly)
	registered := s.Issuer.Registry
	author := registry.Author{Name: "user:idp@example.com"} // who may not grant
	must(registered.CreateConnector(t.Context(), author, registry.Connector{ID: "waits", Name: "Waits", Type: "oidc", Config: config()}))
	must(registered.CreateConnector(t.Context(), registry.Operator(), registry.Connector{
		ID: "soon", Name: "Soon", Type: "oidc", Config: config("clientSecretExpires", ends),
	}))
	must(registered.CreateDraft(t.Context(), registry.Operator(), registry.Connector{ID: "unfinished", Name: "Unfinished", Type: "oidc", Config: config()}))
	v := open(t, s).asRoot()
	edit := v.at("connectors/of/demo/edit")
	v.want(v.press(edit, "/console/connectors/of/demo/edit", "document", strings.ReplaceAll(document(edit), "name: Demo", "name: Renamed"), "within", "10m"),
		http.StatusOK, "undoes itself")
	text := v.at("overview")
	v.want(text, http.StatusOK, "Waits : nobody has approved it", "Soon : client secret ends in 5 days", "Unfinished : it is a draft",
		"a change waits to be confirmed, and undoes itself in 10 minutes")
	if strings.Contains(text.Text(), "Nothing.") {
		t.Errorf("something waits, and: %s", text.Text())
	}
	if n := strings.Count(text.Body, `role="img" aria-label="Sign-ins of the last 14 days: none"`); n != 4 {
		t.Errorf("%d of 4 charts say what they show", n)
	}
}

// People who never come back are named with what is most likely wrong.
func TestOverview_WhoNeverCameBack(t *testing.T) {
	s := pachdtest.Start(t)
	s.Connect()
	for range 12 {
		begun, err := s.API.Auth.GetOIDCLogin(t.Context(), &auth.GetOIDCLoginRequest{})
		if err != nil {
			t.Fatal(err)
		}
		optest.NewBrowser(t, func(*url.URL) bool { return false }).Get(begun.GetLoginUrl()) // and goes away
	}
	sum, err := s.API.Pach.SummarizeSignIns(s.Root(), &pach.SummarizeSignInsRequest{})
	if err != nil || len(sum.GetWarnings()) == 0 {
		t.Fatalf("%v, %v", sum, err)
	}
	v := open(t, s).asRoot()
	v.want(v.at("overview"), http.StatusOK, sum.GetWarnings()[0].GetWhat())
}
