package console_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"pachyderm/api/auth"
	"pachyderm/api/identity"
	"pachyderm/api/pach"
	"pachyderm/internal/db"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/pachd/pachdtest"
)

// shown says, written by hand, what each role on the cluster is shown in the menu
// beside what everybody is, and which pages answer it. "-" is the menu of nobody.
const shown = `
clusterAdmin   Overview Connectors Sign-ins People Groups Access Applications Audit Settings
idpAdmin       Overview Connectors Sign-ins
oidcAppAdmin   Applications
identityAdmin  Settings
secretAdmin
debugger
pachdLogReader
lokiLogReader
licenseAdmin
projectCreator
projectOwner
repoOwner
robotUser
`

// pages are the pages of each entry of the menu.
func pages() map[string][]string {
	return map[string][]string{
		"Connectors": {"connectors", "connectors/of/demo", "connectors/of/demo/edit", "connectors/of/demo/delete"},
		"Data":       {"data"},
		"Overview":   {"overview"},
		"Sign-ins":   {"sign-ins"},
		"People": {
			"people", "people/of/alice@example.com", "people/of/alice@example.com/rename", "people/unused", "people/unused?days=90",
			"people/unused/disable?days=90",
		},
		"Groups":       {"groups"},
		"Access":       {"access", "access/grant?principal=user:alice@example.com"},
		"Applications": {"applications"},
		"Audit":        {"audit", "audit.csv"},
		"Settings":     {"settings"},
	}
}

// as is a browser with a session, however it came by it.
func (v visit) as(token string) visit {
	v.t.Helper()
	home, err := url.Parse(v.s.HTTP)
	if err != nil {
		v.t.Fatal(err)
	}
	v.Client.Jar.SetCookies(home, []*http.Cookie{{Name: "pach-console", Value: token}})
	return v
}

func TestPages_ByRole(t *testing.T) {
	s := pachdtest.Start(t)
	s.Connect()
	open(t, s).asAlice()
	for line := range strings.Lines(strings.TrimSpace(shown)) {
		role, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		menu := strings.Fields(rest)
		t.Run(role, func(t *testing.T) {
			_, token := s.Robot("of-"+strings.ToLower(role), 3600)
			if err := s.Bind(pachdtest.Cluster(), "robot:of-"+strings.ToLower(role), role); err != nil {
				t.Fatal(err)
			}
			if role != "robotUser" { // a new role ends the tokens of all others
				_, token = s.Robot("of-"+strings.ToLower(role), 3600)
			}
			checkPages(t, open(t, s).as(token), menu)
		})
	}
	t.Run("person", func(t *testing.T) {
		v := open(t, s)
		v.asAlice()
		checkPages(t, v, nil)
	})
	t.Run("nobody", func(t *testing.T) {
		v := open(t, s)
		for _, list := range pages() {
			for _, path := range list {
				v.want(v.at(path), http.StatusUnauthorized, "Sign in")
			}
		}
		if p := v.at(""); strings.Contains(p.Body, "<nav") {
			t.Errorf("nobody has a menu: %s", p.Text())
		}
	})
}

func checkPages(t *testing.T, v visit, menu []string) {
	t.Helper()
	v.t = t
	v.T = t
	first := v.at("")
	v.want(first, http.StatusOK, "Your sessions and tokens")
	may := map[string]bool{"Data": true}
	for _, entry := range menu {
		may[entry] = true
	}
	nav, _, _ := strings.Cut(first.Body, "</nav>")
	for entry, list := range pages() {
		if got := strings.Contains(nav, ">"+entry+"</a>"); got != may[entry] {
			t.Errorf("the menu shows %s: %v", entry, got)
		}
		for _, path := range list {
			want := http.StatusForbidden
			if may[entry] {
				want = http.StatusOK
			}
			if p := v.at(path); p.Status != want {
				t.Errorf("%s answers %d, want %d: %s", path, p.Status, want, p.Text())
			}
		}
	}
}

// do answers a request with the text of the page.
func (v visit) do(r *http.Request) string {
	v.t.Helper()
	res, err := v.Client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return string(body)
}

const hostileName = `"><script>alert(1)</script>' onload=x {{.}} ${x} =1+1`

// What strangers and administrators name things is text wherever it is shown.
func TestPages_HostileNamesAreText(t *testing.T) {
	s := pachdtest.Start(t)
	p := s.Connect()
	group := "a/" + `"><script>alert(1)</script>`
	alice := open(t, s)
	alice.asAlice()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.API.Auth.ModifyMembers(s.Root(), &auth.ModifyMembersRequest{Group: group, Add: []string{pachdtest.Alice}})
	must(err)
	must(s.Bind(pachdtest.Project("default"), "group:"+group, "projectOwner"))
	must(s.Issuer.Registry.CreateConnector(t.Context(), registry.Operator(), registry.Connector{ID: "hostile", Name: hostileName, Type: "oidc", Config: map[string]any{
		"issuer": p.Issuer, "clientID": p.ClientID, "clientSecret": p.ClientSecret, "userNameKey": "onload=x '\"{{.}}", "redirectURI": s.Issuer.Callback(),
	}}))
	_, err = s.API.Pach.CreateOIDCClient(s.Root(), &pach.CreateOIDCClientRequest{
		Client: &identity.OIDCClient{Id: "hostile", Name: hostileName, RedirectUris: []string{"https://app.example.com/?x=" + url.QueryEscape(hostileName)}},
	})
	must(err)
	root := open(t, s).asRoot()
	at := "/console/connectors/draft"
	form := root.at("connectors/new/oidc")
	for _, path := range []string{
		"", "overview", "connectors", "connectors/of/hostile", "connectors/of/hostile/edit", "connectors/of/hostile/delete", "people", "people/of/alice@example.com",
		"people/of/alice@example.com/rename", "people/unused?days=" + url.QueryEscape(hostileName),
		"people/unused/disable?days=" + url.QueryEscape(hostileName),
		"groups", "groups/of/" + url.PathEscape(group), "access", "access/grant?principal=" + url.QueryEscape("group:"+group), "applications",
		"data?page=" + url.QueryEscape(hostileName), "data/repo/default/" + url.PathEscape(hostileName),
		"applications/of/hostile", "audit", "audit?actor=" + url.QueryEscape(hostileName), "people?prefix=" + url.QueryEscape(hostileName),
		"explain?permission=REPO_READ&type=REPO&name=" + url.QueryEscape(hostileName), "explain?permission=REPO_READ&at=" + url.QueryEscape(hostileName),
		"explain?permission=" + url.QueryEscape(hostileName), "connectors/of/" + url.PathEscape(hostileName),
		"sign-in?next=" + url.QueryEscape(hostileName), "root-token?next=" + url.QueryEscape("//evil.example.com/"), "?done=" + url.QueryEscape(hostileName),
		"applications/of/" + url.PathEscape(hostileName), url.PathEscape(hostileName),
	} {
		isText(t, path, root.at(path).Body)
	}
	isText(t, "you", alice.at("").Body)
	isText(t, "a draft", root.press(form, at, "domain", p.Issuer, "gap-client-ID", p.ClientID, "gap-client-secret", hostileName, "name", hostileName, "id", "x").Body)
}

// isText fails if a hostile name has become markup, or an address elsewhere.
func isText(t *testing.T, name, body string) {
	t.Helper()
	for _, bad := range []string{"<script>alert", `"//evil`} {
		if strings.Contains(body, bad) {
			t.Errorf("%s: %q is markup", name, bad)
		}
	}
	if !strings.Contains(body, "</html>") && name != "audit.csv" {
		t.Errorf("%s is no whole page: %s", name, body)
	}
}

// Addresses that forms lead back to are the console's own.
func TestNext_StaysHere(t *testing.T) {
	s := pachdtest.Start(t)
	v := open(t, s)
	for _, next := range []string{
		"https://evil.example.com/console/", "//evil.example.com/console/", "/\\evil.example.com", "/console/../x", "javascript:alert(1)", "/console/\r\nX: y", "/auth",
		"/console/%2e%2e/x",
	} {
		p := v.Post(s.HTTP+"/console/root-token", url.Values{"csrf": {csrf(t, v.at("root-token"))}, "token": {s.RootToken}, "next": {next}})
		if p.URL.Path != "/console/" || !strings.HasPrefix(p.URL.String(), s.HTTP+"/") {
			t.Errorf("%q leads to %s", next, p.URL)
		}
		v.want(v.send("", "sign-out", url.Values{}), http.StatusOK, "Welcome")
	}
}

func TestHeaders_OnEveryPage(t *testing.T) {
	s := pachdtest.Start(t)
	v := open(t, s)
	for _, path := range []string{"", "sign-in", "root-token", "people", "nowhere"} {
		p := v.at(path)
		for header, want := range map[string]string{
			"Cache-Control": "no-store", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin",
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; " +
				"connect-src 'self'; base-uri 'none'; frame-ancestors 'none'",
		} {
			if got := p.Header.Get(header); got != want {
				t.Errorf("%s: %s is %q", path, header, got)
			}
		}
		if strings.Contains(p.Body, " style=") || strings.Contains(p.Body, " onclick=") || strings.Contains(p.Body, "<style") {
			t.Errorf("%s has what its policy forbids", path)
		}
	}
}

func TestFirstPage_ForBrowsersAndForOthers(t *testing.T) {
	s := pachdtest.Start(t)
	for accept, want := range map[string]string{
		"text/html,application/xhtml+xml;q=0.9": "Welcome to Pachyderm", "*/*": "200 OK", "": "200 OK", "application/json": "200 OK",
	} {
		v := open(t, s)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.HTTP+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", accept)
		if got := v.do(r); !strings.Contains(got, want) {
			t.Errorf("Accept %q gets %q", accept, got)
		}
	}
}

func TestPages_AreSmall(t *testing.T) {
	s := pachdtest.Start(t)
	s.Connect()
	open(t, s).asAlice()
	for n := range 300 {
		_, err := s.API.Auth.ModifyMembers(s.Root(), &auth.ModifyMembersRequest{
			Group: fmt.Sprintf("group-with-a-longer-name-%03d", n), Add: []string{"user:" + fmt.Sprintf("somebody.with.a.long.name.%03d@example.com", n), pachdtest.Alice},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	v := open(t, s).asRoot()
	for _, list := range pages() {
		for _, path := range list {
			if p := v.at(path); path != "audit.csv" && len(p.Body) > 100<<10 {
				t.Errorf("%s has %d bytes", path, len(p.Body))
			}
		}
	}
}

func TestGrant_TwoAdministrators(t *testing.T) {
	s := pachdtest.Start(t)
	one, two := open(t, s).asRoot(), open(t, s).asRoot()
	const path, action = "access/grant?principal=user:bob@example.com&type=PROJECT&name=default", "/console/access/grant"
	mine, theirs := one.at(path), two.at(path)
	one.want(one.press(mine, action, "role", "projectOwner"), http.StatusOK, "The roles were changed", "projectOwner")
	two.want(two.press(theirs, action, "role", "projectViewer"), http.StatusConflict, "Somebody else has changed these roles")
	bound, err := s.Bound(s.Root(), pachdtest.Project("default"))
	if got := bound["user:bob@example.com"]; err != nil || len(got) != 1 || got[0] != "projectOwner" {
		t.Errorf("bob has %v, %v", got, err)
	}
	one.want(one.press(one.at(path), action), http.StatusOK, "has no role of its own anywhere")
}

// A spreadsheet takes what begins with = for a formula.
func TestAudit_ExportHasNoFormulas(t *testing.T) {
	s := pachdtest.Start(t)
	s.Update(func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO audit_events (id, at, actor, action, object, detail, request)
			VALUES ('x', 1, '=1+1', '+x', '@x', '-x', '')`)
		return err
	})
	v := open(t, s).asRoot()
	if body := v.at("audit.csv").Body; !strings.Contains(body, "'=1+1,'+x,'@x,'-x") {
		t.Errorf("the file has %s", body)
	}
}
