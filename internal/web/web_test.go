package web_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"flag"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/dexidp/dex/server/templates"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"pachyderm/internal/web"
	"pachyderm/internal/web/theme"
)

var update = flag.Bool("update", false, "write the golden files anew")

const hostile = `"><script>alert(1)</script>' onload=x {{.}}`

// sample is one page with one set of data. Its name begins with the name of
// the template that it is made from.
type sample struct {
	name   string
	render func(w http.ResponseWriter) error
}

func ours(name string, status int, page any) sample {
	return sample{reflect.TypeOf(page).Name() + name, func(w http.ResponseWriter) error { return render(w, status, page) }}
}

// render writes a page; the error is what the log says of it.
func render(w http.ResponseWriter, status int, page any) error {
	var logged bytes.Buffer
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	web.Pages{Log: slog.New(slog.NewTextHandler(&logged, nil))}.Render(w, r, status, page)
	if logged.Len() > 0 {
		return errors.New(logged.String())
	}
	return nil
}

// styleSheet is the one that the layout brings along.
func styleSheet(t *testing.T) string {
	t.Helper()
	found := regexp.MustCompile(`(?s){{define "css"}}(.+?){{end}}`).FindStringSubmatch(theme.Layout())
	if found == nil {
		t.Fatal("the layout has no style sheet")
	}
	return found[1]
}

// ourSamples are our pages. Where s is not empty, it stands in every field.
func ourSamples(s string) []sample {
	or := func(v string) string {
		if s != "" {
			return s
		}
		return v
	}
	when := time.Date(2026, 8, 6, 17, 14, 24, 0, time.FixedZone("CEST", 2*60*60))
	return []sample{
		ours("", 403, web.Problem{
			Title: or("You are not signed in"), What: or("the identity provider \"Okta\" did not answer in time"),
			Next: or("Try again, or give an administrator the code below: it finds the entry in pachd's log."), Code: or("K7QX2MPA"), When: when,
		}),
		ours(".bare", 404, web.Problem{Title: or("There is nothing here"), What: or("This address is not one of Pachyderm's.")}),
		ours("", 200, web.SignedIn{User: or("alice@example.com")}),
		ours(".unnamed", 200, web.SignedIn{}),
		ours("", 200, web.ConfirmLogin{
			Action: or("/dex/confirm"), CSRF: or("c5rf"), State: or("5tate"), User: or("alice@example.com"),
			Requester: or("alice@laptop"), Address: or("192.0.2.7"), When: when,
		}),
		ours(".unknown", 200, web.ConfirmLogin{Action: "/confirm", CSRF: "c5rf", State: "5tate"}),
		ours("", 200, web.ConfirmDevice{
			Action: or("/dex/device/auth/verify_code"), CSRF: or("c5rf"), UserCode: or("BCDF-GHJK"), Client: or("pachctl-device"),
			Requester: or("root@build-7"), Address: or("2001:db8::7"), When: when,
		}),
		ours("", 200, web.Choose{Choices: []web.Choice{
			{URL: or("/dex/auth/okta?state=x"), Name: or("Okta"), Last: true}, {URL: or("/dex/auth/ldap?state=x"), Name: or("Directory")}, {URL: or("/dex/auth/old"), Name: or("Old one"), Down: true},
		}}),
		ours(".email", 200, web.Choose{Choices: []web.Choice{{URL: "/auth/okta", Name: or("Okta")}}, Email: &web.EmailFirst{
			Action: or("/dex/auth"), Fields: map[string]string{"state": or("5tate")}, Value: or("alice@example.org"), Unknown: or("example.org"),
		}}),
		ours("", 200, web.ConnectorTestPassword{Name: or("Directory"), Action: or("/dex/connector-test/x"), CSRF: or("c5rf"), Prompt: or(""), Username: or("")}),
		ours(".invalid", 200, web.ConnectorTestPassword{Name: "Directory", Action: "/connector-test/x", CSRF: "c5rf", Prompt: "E-mail address", Username: or("alice"), Invalid: true}),
		ours("", 200, web.ConnectorTest{Name: or("Okta"), User: or("user:alice@example.com")}),
		ours(".failed", 200, web.ConnectorTest{Name: or("Okta"), Error: or("the provider sent no e-mail address")}),
		ours("", 200, web.PostForm{Action: or("https://idp.example.com/sso"), To: or("Okta"), Fields: map[string]string{"SAMLRequest": or("PHNhbWw+"), "RelayState": or("5tate")}}),
		ours("", 200, web.SignedOut{Ended: true}),
		ours(".nothing", 200, web.SignedOut{}),
		ours("", 200, web.PostResponse{Action: or("https://app.example.com/callback"), To: or("An app"), Fields: map[string]string{"code": or("c0de"), "state": or("5tate")}}),
		ours(".unknown", 200, web.ConfirmDevice{Action: "/device/auth/verify_code", CSRF: "c5rf", UserCode: "BCDF-GHJK"}),
	}
}

// dexSamples are Dex's pages, rendered by Dex itself.
func dexSamples(t testing.TB, s string) []sample {
	t.Helper()
	or := func(v string) string {
		if s != "" {
			return s
		}
		return v
	}
	_, _, _, pages, err := templates.LoadWebConfig(templates.Config{
		WebFS: web.DexFiles(), Issuer: theme.Product, IssuerURL: "https://pach.example.com/dex", Theme: web.DexTheme,
	})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/dex/auth", nil)
	yes := true
	dex := func(name string, render func(w http.ResponseWriter) error) sample {
		return sample{name, func(w http.ResponseWriter) error {
			theme.SetHeaders(w.Header()) // as the issuer's guard does
			return render(w)
		}}
	}
	type rw = http.ResponseWriter
	post := or("/dex/auth/ldap/login?back=%2Fdex%2Fauth&state=5tate")
	return []sample{
		dex("login", func(w rw) error {
			return pages.Login(r, w, []templates.ConnectorInfo{
				{ID: "okta", Name: or("Okta"), URL: "/dex/auth/okta?client_id=pachctl&state=5tate", Type: "oidc"},
				{ID: "corp", Name: or("Corporate directory"), URL: "/dex/auth/corp?client_id=pachctl&state=5tate", Type: "ldap"},
				{ID: "o", Name: or("Österreich-Konzern, Zweigstelle für Erneuerbare Energien"), URL: "/dex/auth/o", Type: "saml"},
				{ID: "none", Name: or("—"), URL: "/dex/auth/none", Type: "oidc"},
			})
		}),
		dex("login.empty", func(w rw) error { return pages.Login(r, w, nil) }),
		dex("password", func(w rw) error {
			return pages.Password(r, w, post, "", or("E-mail address"), false, or("/dex/auth"), nil)
		}),
		dex("password.invalid", func(w rw) error {
			return pages.Password(r, w, post, or("alice"), or("Username"), true, "", &yes)
		}),
		dex("approval", func(w rw) error {
			return pages.Approval(r, w, or("r3q"), or("alice@example.com"), or("Notebooks"), []string{"openid", "email", "groups", "offline_access"})
		}),
		dex("approval.bare", func(w rw) error {
			return pages.Approval(r, w, or("r3q"), or("alice@example.com"), or("Notebooks"), []string{"openid"})
		}),
		dex("device", func(w rw) error { return pages.Device(r, w, or("/dex/device/auth/verify_code"), "", false) }),
		dex("device.invalid", func(w rw) error {
			return pages.Device(r, w, or("/dex/device/auth/verify_code"), or("BCDF-GHJK"), true)
		}),
		dex("device_success", func(w rw) error { return pages.DeviceSuccess(r, w, or("pachctl")) }),
		dex("oob", func(w rw) error { return pages.OOB(r, w, or("k3mzwnvqbvcc6vhyp4tkr7s2d")) }),
		dex("error", func(w rw) error { return pages.Err(r, w, 400, or("User session has expired.")) }),
		dex("error.silent", func(w rw) error { return pages.Err(r, w, 500, "") }),
		dex("home", func(w rw) error {
			return pages.Home(r, w, templates.HomeData{LoggedIn: true, Username: or("alice"), Groups: []string{or("engineers")}, LogoutURL: or("/dex/logout")})
		}),
		dex("logout", func(w rw) error { return pages.Logout(r, w, or("/dex"), false, true) }),
		dex("totp_verify", func(w rw) error {
			return pages.TOTPVerify(r, w, post, or("Pachyderm"), or("ldap"), or("cXI="), true)
		}),
		dex("webauthn_verify", func(w rw) error { return pages.WebAuthnVerify(r, w, "login", or("key")) }),
	}
}

func samples(t testing.TB, s string) []sample {
	return append(ourSamples(s), dexSamples(t, s)...)
}

func (s sample) record(t testing.TB) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	if err := s.render(w); err != nil {
		t.Fatal(err)
	}
	return w
}

var styles = regexp.MustCompile(`(?s)<style>(.*?)</style>`)

// TestPages compares every page with what it was when somebody last looked at
// it. The style sheet is left out, or it would be in each file.
func TestPages(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range samples(t, "") {
		t.Run(s.name, func(t *testing.T) {
			got := styles.ReplaceAllString(s.record(t).Body.String(), "<style></style>")
			file := filepath.Join("testdata", s.name+".html")
			seen[file] = true
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := fs.ReadFile(os.DirFS("testdata"), s.name+".html")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("changed (-was +is), look at it and run with -update:\n%s", diff)
			}
		})
	}
	files, err := filepath.Glob("testdata/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !seen[file] {
			t.Errorf("%s belongs to no page", file)
		}
	}
}

func TestPages_EveryTemplateIsSampled(t *testing.T) {
	for folder, got := range map[string][]sample{"templates": ourSamples(""), "dex/templates": dexSamples(t, "")} {
		sampled := map[string]bool{}
		for _, s := range got {
			name, _, _ := strings.Cut(s.name, ".")
			sampled[name+".html"] = true
		}
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		var present []string
		for _, e := range entries {
			if e.Name() != "parts.html" {
				present = append(present, e.Name())
			}
		}
		if diff := cmp.Diff(present, slices.Sorted(maps.Keys(sampled))); diff != "" {
			t.Errorf("%s (-present +sampled):\n%s", folder, diff)
		}
	}
}

// TestPages_StandAlone holds the markup to the Content-Security-Policy, and the
// policy to the markup.
func TestPages_StandAlone(t *testing.T) {
	for _, data := range []string{"", hostile} {
		for _, s := range samples(t, data) {
			t.Run(s.name, func(t *testing.T) {
				w := s.record(t)
				body := w.Body.String()
				sheets := styles.FindAllStringSubmatch(body, -1)
				if len(sheets) != 1 {
					t.Fatalf("%d style elements", len(sheets))
				}
				sum := sha256.Sum256([]byte(sheets[0][1]))
				policy := w.Header().Get("Content-Security-Policy")
				if want := "style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "';"; !strings.Contains(policy, want) {
					t.Errorf("policy %q lacks %q", policy, want)
				}
				// What these pages are for.
				if leads := map[string]string{"PostForm": "https://idp.example.com/sso", "PostResponse": "https://app.example.com/callback"}[s.name]; leads != "" {
					body = strings.Replace(body, leads, "/", 1)
				}
				if strings.Contains(body, "http://") || strings.Contains(body, "https://") {
					t.Error("an absolute address")
				}
				checkMarkup(t, body)
			})
		}
	}
}

// checkMarkup reads a page as a browser would: hostile data that got out of its
// place would show as an element or attribute that no template has.
func checkMarkup(t *testing.T, body string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]int{}
	var refs []string
	headings, mains, focused := 0, 0, 0
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.Data {
		case "script", "iframe", "object", "embed", "base", "img":
			t.Errorf("element %s", n.Data)
		case "h1":
			headings++
		case "main":
			mains++
		}
		for _, a := range n.Attr {
			switch {
			case a.Key == "style", strings.HasPrefix(a.Key, "on"):
				t.Errorf("attribute %s on %s", a.Key, n.Data)
			case a.Key == "src", a.Key == "href" && n.Data == "link" && !strings.HasPrefix(a.Val, "data:"):
				t.Errorf("%s loads %q", n.Data, a.Val)
			case a.Key == "id":
				ids[a.Val]++
			case a.Key == "for":
				refs = append(refs, a.Val)
			case a.Key == "aria-describedby":
				refs = append(refs, strings.Fields(a.Val)...)
			case a.Key == "autofocus":
				focused++
			case a.Key == "tabindex":
				t.Errorf("tabindex on %s: the order of the page is the order of the keys", n.Data)
			}
		}
	}
	if headings != 1 || mains != 1 || focused > 1 {
		t.Errorf("%d headings of the first level, %d main parts, %d fields that take the focus", headings, mains, focused)
	}
	for _, id := range refs {
		if ids[id] != 1 {
			t.Errorf("%d elements %q", ids[id], id)
		}
	}
}

func TestPages_HostileDataIsText(t *testing.T) {
	for _, s := range samples(t, hostile) {
		t.Run(s.name, func(t *testing.T) {
			body := s.record(t).Body.String()
			for _, raw := range []string{hostile, "<script"} {
				if strings.Contains(body, raw) {
					t.Errorf("contains %q", raw)
				}
			}
		})
	}
	body := ourSamples(hostile)[0].record(t).Body.String()
	if !strings.Contains(html.UnescapeString(body), hostile) {
		t.Error("the text itself is lost")
	}
}

// TestPages_FormsKeepTheirFields: handlers, ours and Dex's, read these names.
func TestPages_FormsKeepTheirFields(t *testing.T) {
	want := map[string]string{}
	for _, form := range []struct{ page, fields string }{
		{"ConfirmLogin", "/dex/confirm post csrf=c5rf state=5tate answer=yes answer=no"},
		{"ConfirmDevice", "/dex/device/auth/verify_code post csrf=c5rf user_code=BCDF-GHJK answer=yes answer=no"},
		{"password", "/dex/auth/ldap/login?back=%2Fdex%2Fauth&state=5tate post login= password="},
		{"approval", " post req=r3q approval=approve approval=rejected"},
		{"device", "/dex/device/auth/verify_code post user_code="},
		{"device.invalid", "/dex/device/auth/verify_code post user_code=BCDF-GHJK"},
	} {
		want[form.page] = form.fields
	}
	for _, s := range samples(t, "") {
		if want[s.name] == "" {
			continue
		}
		root, err := html.Parse(s.record(t).Body)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for n := range root.Descendants() {
			a := map[string]string{}
			for _, at := range n.Attr {
				a[at.Key] = at.Val
			}
			switch {
			case n.Data == "form":
				got = a["action"] + " " + a["method"]
			case a["name"] != "" && (n.Data == "input" || n.Data == "button"):
				got += " " + a["name"] + "=" + a["value"]
			}
		}
		if got != want[s.name] {
			t.Errorf("%s: form %q, want %q", s.name, got, want[s.name])
		}
	}
}

// What the end-to-end tests of upstream's Console look for on the page: the one text
// field, a field with the label Password, and a button with "login" in its name.
func TestPages_PasswordFormIsFoundByConsole(t *testing.T) {
	for _, s := range samples(t, "") {
		if s.name != "password" && s.name != "password.invalid" {
			continue
		}
		root, err := html.Parse(s.record(t).Body)
		if err != nil {
			t.Fatal(err)
		}
		texts, labels, buttons := 0, "", ""
		for n := range root.Descendants() {
			switch {
			case n.Data == "input" && slices.Contains(n.Attr, html.Attribute{Key: "type", Val: "text"}):
				texts++
			case n.Data == "label":
				labels += n.FirstChild.Data + ";"
			case n.Data == "button":
				buttons += n.FirstChild.Data + ";"
			}
		}
		if texts != 1 || !strings.Contains(labels, ";Password;") || !regexp.MustCompile("(?i)login").MatchString(buttons) {
			t.Errorf("%s has %d text fields, the labels %s and the buttons %s", s.name, texts, labels, buttons)
		}
	}
}

func TestRender(t *testing.T) {
	w := httptest.NewRecorder()
	if err := render(w, http.StatusForbidden, web.SignedIn{User: "alice"}); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(styleSheet(t)))
	want := http.Header{
		"Content-Type": {"text/html; charset=utf-8"},
		"Content-Security-Policy": {"default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; img-src data:; base-uri 'none'; frame-ancestors 'none'"},
		"X-Frame-Options":        {"DENY"},
		"X-Content-Type-Options": {"nosniff"},
		"Referrer-Policy":        {"no-referrer"},
		"Cache-Control":          {"no-store"},
	}
	if diff := cmp.Diff(want, w.Header()); diff != "" || w.Code != http.StatusForbidden {
		t.Errorf("status %d, headers (-want +got):\n%s", w.Code, diff)
	}

	type Unknown struct{}
	w = httptest.NewRecorder()
	if err := render(w, http.StatusOK, Unknown{}); err == nil || w.Code != http.StatusInternalServerError {
		t.Errorf("a page without template: status %d, error %v", w.Code, err)
	}
	if err := render(broken{}, http.StatusOK, web.SignedIn{}); err == nil || !strings.Contains(err.Error(), errBroken.Error()) {
		t.Errorf("a broken connection: %v", err)
	}
}

var errBroken = errors.New("the connection is broken")

type broken struct{}

func (broken) Header() http.Header       { return http.Header{} }
func (broken) WriteHeader(int)           {}
func (broken) Write([]byte) (int, error) { return 0, errBroken }

func TestDexFiles(t *testing.T) {
	files := web.DexFiles()
	if err := fstest.TestFS(files, "robots.txt", "templates/layout.html", "templates/login.html"); err != nil {
		t.Error(err)
	}
	layout, err := fs.ReadFile(files, "templates/layout.html")
	if err != nil || !bytes.Contains(layout, []byte(styleSheet(t))) {
		t.Errorf("layout without style sheet, error %v", err)
	}
}
