package idp_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"testing"

	"golang.org/x/oauth2"

	"pachyderm/test/idp"
)

func TestGitHub(t *testing.T) {
	t.Parallel()
	g := idp.StartGitHub(t, nil, callback)
	config := &oauth2.Config{
		ClientID: g.ClientID, ClientSecret: g.ClientSecret, RedirectURL: callback, Scopes: []string{"user:email", "read:org"},
		Endpoint: oauth2.Endpoint{AuthURL: "https://" + g.HostName + "/login/oauth/authorize", TokenURL: "https://" + g.HostName + "/login/oauth/access_token"},
	}
	signIn := func(p idp.Person) *http.Client {
		t.Helper()
		client := g.CA.Client(t)
		end, text, err := idp.SignIn(t, client, config.AuthCodeURL("the-state"), p, atCallback)
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		ctx := context.WithValue(t.Context(), oauth2.HTTPClient, client)
		token, err := config.Exchange(ctx, end.Query().Get("code"))
		if err != nil {
			t.Fatal(err)
		}
		return config.Client(ctx, token)
	}
	get := func(client *http.Client, path string, answer any) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+g.HostName+"/api/v3"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		if answer != nil {
			if err := json.NewDecoder(res.Body).Decode(answer); err != nil {
				t.Fatal(err)
			}
		}
		return res.StatusCode
	}
	type named struct {
		ID                       int
		Login, Slug, Email, Name string
		Organization             struct{ Login string }
	}
	teams := func(client *http.Client) []string {
		var all []named
		get(client, "/user/teams", &all)
		var names []string
		for _, n := range all {
			if n.Organization.Login == g.Organisation {
				names = append(names, n.Slug)
			}
		}
		slices.Sort(names)
		return names
	}
	for _, p := range g.People {
		client := signIn(p)
		var user named
		var emails, orgs []named
		get(client, "/user", &user)
		get(client, "/user/emails", &emails)
		get(client, "/user/orgs", &orgs)
		if user.Login != p.Name || user.ID == 0 || len(emails) != 1 || emails[0].Email != p.Email || len(orgs) != 1 || orgs[0].Login != g.Organisation {
			t.Errorf("%s is %v, %v, %v", p.Name, user, emails, orgs)
		}
		if got := teams(client); !slices.Equal(got, p.Groups) {
			t.Errorf("%s is in the teams %v", p.Name, got)
		}
		if status := get(client, "/orgs/"+g.Organisation+"/members/"+p.Name, nil); status != http.StatusNoContent {
			t.Errorf("membership of %s: %d", p.Name, status)
		}
	}
	bob := signIn(idp.Bob)
	g.Join("admins", idp.Bob)
	g.Leave("developers", idp.Bob)
	if got := teams(bob); !slices.Equal(got, []string{"admins"}) {
		t.Errorf("bob is in the teams %v", got)
	}
	carol := signIn(idp.Carol)
	if status := get(carol, "/orgs/"+g.Organisation+"/members/"+idp.Carol.Name, nil); status != http.StatusNotFound || len(teams(carol)) > 0 {
		t.Errorf("membership of carol: %d, %v", status, teams(carol))
	}
	if _, _, err := idp.SignIn(t, g.CA.Client(t), config.AuthCodeURL("the-state"), idp.Weird, atCallback); !errors.Is(err, idp.ErrRefused) {
		t.Errorf("somebody unknown: %v", err)
	}
	g.Stop()
	if _, _, err := idp.SignIn(t, g.CA.Client(t), config.AuthCodeURL("the-state"), idp.Bob, atCallback); err == nil {
		t.Error("it still answers")
	}
	g.Start()
	signIn(idp.Bob)
}
