package idp

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

// GitHub has the shape of GitHub Enterprise: the npm package emulate behind TLS
// and with the addresses that it lacks. Nobody types a password there: the page
// offers the accounts. The groups of the people are names of teams of the
// organisation; carol has an account, but is in no organisation.
type GitHub struct {
	*inProcess

	HostName               string // host:port
	ClientID, ClientSecret string
	CA                     *CA
	Organisation           string
	People                 []Person

	emulate  *process
	upstream string
}

const githubAdmin = "admin-token"

// StartGitHub runs it for a relying party with the given callbacks; nil is for
// a new CA.
func StartGitHub(tb testing.TB, ca *CA, callbacks ...string) *GitHub {
	tb.Helper()
	if ca == nil {
		ca = NewCA(tb)
	}
	address := FreeAddress(tb)
	_, port, _ := strings.Cut(address, ":")
	inside := freePort(tb, 20000, 30000)
	g := &GitHub{
		HostName: "localhost:" + port, ClientID: "pachyderm", ClientSecret: "github-secret", CA: ca, Organisation: "example-org",
		People: []Person{Alice, Bob}, upstream: fmt.Sprintf("http://127.0.0.1:%d", inside),
	}
	dir := tb.TempDir()
	g.emulate = &process{
		tb: tb, dir: dir, ready: answers(NewClient(tb), g.upstream+"/meta"),
		args: []string{
			nodeProgram(tb, "emulate"), filepath.Join(testDir(tb), "node_modules", "emulate", "dist", "index.js"), "start",
			"--host", "127.0.0.1", "-p", fmt.Sprint(inside), "--service", "github", "--base-url", "https://" + g.HostName,
			"--seed", write(tb, filepath.Join(dir, "seed.json"), g.seed(tb, callbacks)),
		},
	}
	tb.Cleanup(g.emulate.Stop)
	g.emulate.Start()
	g.makeTeams()
	to, err := url.Parse(g.upstream)
	if err != nil {
		tb.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}
	mux := http.NewServeMux()
	mux.Handle("/", proxy)
	mux.Handle("/api/v3/", http.StripPrefix("/api/v3", proxy))
	mux.HandleFunc("GET /api/v3/user/teams", g.userTeams)
	g.inProcess = &inProcess{
		tb: tb, address: address, handler: mux,
		tls: &tls.Config{Certificates: []tls.Certificate{ca.Certificate(tb).TLS}, MinVersion: tls.VersionTLS12},
	}
	tb.Cleanup(g.Stop)
	g.Start()
	return g
}

// Join puts somebody into a team, which may be one that is in none yet.
func (g *GitHub) Join(team string, p Person) {
	g.emulate.tb.Helper()
	g.must(http.MethodPut, "/orgs/"+g.Organisation+"/teams/"+team+"/memberships/"+p.Name, map[string]string{"role": "member"})
}

// Leave takes somebody out of a team.
func (g *GitHub) Leave(team string, p Person) {
	g.emulate.tb.Helper()
	g.must(http.MethodDelete, "/orgs/"+g.Organisation+"/teams/"+team+"/memberships/"+p.Name, nil)
}

func (g *GitHub) seed(tb testing.TB, callbacks []string) string {
	tb.Helper()
	type m map[string]any
	users := []m{{"login": "owner", "name": "Owner", "email": "owner@example.com"}, {"login": Carol.Name, "name": display(Carol), "email": Carol.Email}}
	staff := []m{{"login": "owner", "role": "admin"}}
	for _, p := range g.People {
		users = append(users, m{"login": p.Name, "name": display(p), "email": p.Email})
		staff = append(staff, m{"login": p.Name, "role": "member"})
	}
	return encode(tb, m{
		"tokens": m{githubAdmin: m{"login": "owner", "scopes": []string{"repo", "admin:org", "user"}}},
		"github": m{
			"users":      users,
			"orgs":       []m{{"login": g.Organisation, "name": "Example", "members": staff}},
			"oauth_apps": []m{{"client_id": g.ClientID, "client_secret": g.ClientSecret, "name": "Pachyderm", "redirect_uris": callbacks}},
		},
	})
}

func (g *GitHub) makeTeams() {
	g.emulate.tb.Helper()
	made := map[string]bool{}
	for _, p := range g.People {
		for _, team := range p.Groups {
			if !made[team] {
				g.must(http.MethodPost, "/orgs/"+g.Organisation+"/teams", map[string]string{"name": team, "privacy": "closed"})
				made[team] = true
			}
			g.Join(team, p)
		}
	}
}

// userTeams is https://docs.github.com/rest/teams/teams#list-teams-for-the-authenticated-user,
// put together from what emulate has.
func (g *GitHub) userTeams(w http.ResponseWriter, r *http.Request) {
	type organisation struct {
		Login string `json:"login"`
	}
	type team struct {
		Name         string       `json:"name"`
		Slug         string       `json:"slug"`
		Organisation organisation `json:"organization"`
	}
	ctx, mine := r.Context(), []team{}
	var user organisation
	if err := g.ask(ctx, r.Header.Get("Authorization"), http.MethodGet, "/user", nil, &user); err != nil {
		http.Error(w, `{"message": "Bad credentials"}`, http.StatusUnauthorized)
		return
	}
	var all []team
	if err := g.ask(ctx, "Bearer "+githubAdmin, http.MethodGet, "/orgs/"+g.Organisation+"/teams", nil, &all); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	for _, t := range all {
		// In the team of this name it keeps who is in the organisation at all.
		if t.Slug == "members" {
			continue
		}
		member := "/orgs/" + g.Organisation + "/teams/" + t.Slug + "/memberships/" + user.Login
		if g.ask(ctx, "Bearer "+githubAdmin, http.MethodGet, member, nil, nil) == nil {
			t.Organisation.Login = g.Organisation
			mine = append(mine, t)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(mine)
}

func (g *GitHub) must(method, path string, body any) {
	g.emulate.tb.Helper()
	if err := g.ask(g.emulate.tb.Context(), "Bearer "+githubAdmin, method, path, body, nil); err != nil {
		g.emulate.tb.Fatal(err)
	}
}

func (g *GitHub) ask(ctx context.Context, authorization, method, path string, body, answer any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, g.upstream+path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", authorization)
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %s: %s", method, path, res.Status, text)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}
