package test

import (
	"bufio"
	"cmp"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"pachyderm/internal/connector"
	"pachyderm/internal/fault"
	"pachyderm/internal/strict"
	"pachyderm/test/idp"
)

// The guides are run as they are written. A block of commands behind
// <!-- run: NAME --> is typed into a terminal, in the order of the page, and what
// comes must be what the page shows; "..." stands for text, or alone on a line for
// lines, that differ. A block behind <!-- file: NAME --> is a file there.

const (
	guidesDir   = "../docs/guides"
	guidesPachd = "https://pachyderm.example.com"
)

// block is one fenced block of a guide with a mark.
type block struct {
	kind, name string // of the mark: run or file, and of what
	line       int
	text       string
}

var mark = regexp.MustCompile(`^<!-- (run|file): (\S+) -->$`)

func blocksOf(t *testing.T, guide string) []block {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(guidesDir, guide))
	if err != nil {
		t.Fatal(err)
	}
	var all []block
	lines := strings.Split(string(data), "\n")
	for n := 0; n < len(lines); n++ {
		m := mark.FindStringSubmatch(lines[n])
		if m == nil {
			continue
		}
		if n+1 >= len(lines) || !strings.HasPrefix(lines[n+1], "```") {
			t.Fatalf("%s:%d: no block follows the mark", guide, n+1)
		}
		b := block{kind: m[1], name: m[2], line: n + 3}
		var text strings.Builder
		for n += 2; n < len(lines) && lines[n] != "```"; n++ {
			text.WriteString(lines[n] + "\n")
		}
		b.text = text.String()
		all = append(all, b)
	}
	return all
}

// command is a line behind a prompt, and what the page shows below it.
type command struct {
	line  int
	text  string
	shown []string
}

func (b block) commands() []command {
	var all []command
	for n, line := range strings.Split(strings.TrimSuffix(b.text, "\n"), "\n") {
		if text, ok := strings.CutPrefix(line, "$ "); ok {
			all = append(all, command{line: b.line + n, text: text})
		} else if len(all) > 0 {
			last := &all[len(all)-1]
			last.shown = append(last.shown, line)
		}
	}
	return all
}

// stage is what a guide is run on.
type stage struct {
	// put are what stands in the guide, and what to have in its place.
	put []string
	// back are, for what is printed, the other way round.
	back   []string
	person idp.Person
}

// person at the browser of this machine.
func (s stage) browse(t *testing.T, ca *idp.CA) (browser string) {
	t.Helper()
	opened, script := filepath.Join(t.TempDir(), "opened"), filepath.Join(t.TempDir(), "browser")
	if err := syscall.Mkfifo(opened, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho \"$1\" >"+opened+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	// Open for both, so that neither end waits for the other.
	f, err := os.OpenFile(opened, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if _, text, err := idp.SignIn(t, ca.Client(t), lines.Text(), s.person, nil); err != nil {
				t.Errorf("%s does not get in: %v: %s", s.person.Name, err, text)
			}
		}
	}()
	t.Cleanup(func() {
		_ = f.Close()
		<-done
	})
	return script
}

// runGuide runs one guide on a pachd of its own.
func runGuide(t *testing.T, guide string, set func(d *daemon, ca *idp.CA) stage) {
	t.Parallel()
	ca := idp.NewCA(t)
	d := newDaemon(t, "SSL_CERT_FILE="+ca.File)
	s := set(d, ca)
	d.start()
	s.put = append(s.put, guidesPachd, "http://"+d.http)
	s.back = append(s.back, "http://"+d.http, guidesPachd, "plain text, on this machine", "TLS 1.3, signed by nobody")
	// The health of a connector is not known before pachd has asked its provider.
	s.back = append(s.back, "unknown since", "ready since")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "root-token"), []byte(d.rootToken()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	seat := newTerminal(t, d)
	env := append(slices.Clone(seat.env), "BROWSER="+s.browse(t, ca), "PATH="+filepath.Dir(program(t, "pachctl"))+":"+os.Getenv("PATH"))
	ran := 0
	for _, b := range blocksOf(t, guide) {
		if b.kind == "file" {
			text := strings.NewReplacer(s.put...).Replace(b.text)
			if err := os.WriteFile(filepath.Join(dir, b.name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		for _, c := range b.commands() {
			ran++
			sh := exec.CommandContext(t.Context(), "/bin/sh", "-c", strings.NewReplacer(s.put...).Replace(c.text))
			sh.Dir, sh.Env = dir, env
			out, err := sh.CombinedOutput()
			got := strings.NewReplacer(s.back...).Replace(squeezed(string(out)))
			at := fmt.Sprintf("%s:%d: %s", guide, c.line, c.text)
			if err != nil {
				t.Fatalf("%s: %v\n%s\n%s", at, err, got, d.output)
			}
			if !matches(c.shown, got) {
				t.Errorf("%s\nthe page shows:\n%s\nit prints:\n%s", at, strings.Join(c.shown, "\n"), got)
			}
		}
	}
	if ran < 5 {
		t.Errorf("%s: only %d commands were run", guide, ran)
	}
}

// moment is a time, as any of the commands writes it, or how long a step took.
var (
	moment = regexp.MustCompile(`\d{1,2} [A-Z][a-z]{2} \d{2} \d{2}:\d{2} UTC|\d{4}-\d{2}-\d{2} \d{2}:\d{2} UTC|\b\d+ ms\b`)
	gap    = regexp.MustCompile(` {2,}`)
)

// squeezed leaves of columns what is in them, and of moments that there was one.
func squeezed(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \n")
		b.WriteString(gap.ReplaceAllString(moment.ReplaceAllString(line, "(moment)"), "  ") + "\n")
	}
	return b.String()
}

// matches compares what a page shows with what was printed, but for the dots.
func matches(shown []string, got string) bool {
	var pattern strings.Builder
	pattern.WriteString(`^`)
	for _, line := range shown {
		if strings.TrimSpace(line) == "..." {
			pattern.WriteString(`(?s:.*)`)
			continue
		}
		pattern.WriteString(strings.ReplaceAll(regexp.QuoteMeta(squeezed(line+"\n")), `\.\.\.`, `.*`))
	}
	pattern.WriteString(`$`)
	ok, err := regexp.MatchString(pattern.String(), got)
	return ok && err == nil
}

func TestGuide_OpenLDAP(t *testing.T) {
	runGuide(t, "openldap.md", func(_ *daemon, ca *idp.CA) stage {
		l := idp.StartOpenLDAP(t, idp.OpenLDAPOptions{CA: ca})
		return stage{
			put: []string{
				"ldap.example.com:636", l.LDAPS, "/etc/pachyderm/ldap-ca.pem", ca.File, "cn=pachyderm,dc=example,dc=com", l.BindDN,
				"NkZ4-a-long-password", l.BindPassword, "w9Qe-another-password", l.BindPassword,
			},
			back: []string{"127.0.0.1 is", "ldap.example.com is", l.LDAPS, "ldap.example.com:636"}, person: idp.Alice,
		}
	})
}

func TestGuide_ActiveDirectory(t *testing.T) {
	runGuide(t, "active-directory.md", func(_ *daemon, ca *idp.CA) stage {
		s := idp.StartSamba(t, ca)
		alice := idp.Alice
		alice.Name = "alice@ad.example.com"
		return stage{
			put: []string{
				"host: ad.example.com", "host: " + s.LDAPS, "/etc/pachyderm/ad-ca.pem", ca.File, "pachyderm@ad.example.com", s.BindDN,
				"NkZ4-a-long-password", s.BindPassword, "w9Qe-another-password", s.BindPassword,
			},
			back: []string{strings.TrimSuffix(s.LDAPS, ":636") + " is", "ad.example.com is", s.LDAPS, "ad.example.com:636"}, person: alice,
		}
	})
}

// The simulator takes a made-up code now for a wrong one and now for a wrong
// secret, so that check-connector is not run here.
func TestGuide_Auth0(t *testing.T) {
	runGuide(t, "auth0.md", func(_ *daemon, ca *idp.CA) stage {
		a := idp.StartAuth0(t, ca)
		host := strings.TrimSuffix(strings.TrimPrefix(a.Issuer, "https://"), "/")
		return stage{
			put: []string{
				"groups: " + guidesPachd + "/groups", "groups: groups", "acme.eu.auth0.com", host, "hegmOc5rTotLPu5ByRDXOvBAzgs3wuw5", a.ClientID,
				"7xk8O71Uhp5T-the-secret", a.ClientSecret, "9LmQ2-the-new-secret", a.ClientSecret,
			},
			back: []string{"localhost is", "acme.eu.auth0.com is", `groups  ["admins`, guidesPachd + `/groups  ["admins`, host, "acme.eu.auth0.com"}, person: a.People[0],
		}
	})
}

func TestGuide_GitHub(t *testing.T) {
	runGuide(t, "github.md", func(d *daemon, ca *idp.CA) stage {
		g := idp.StartGitHub(t, ca, d.callback())
		return stage{
			put: []string{
				"config:\n  clientID: Ov23liAbCdEf0123456", "config:\n  hostName: " + g.HostName + "\n  rootCA: " + ca.File + "\n  clientID: " + g.ClientID,
				"e72e16c7e42f292c6912", g.ClientSecret, "0f91b7a6d3c25e884ab1", g.ClientSecret,
			},
			back: []string{"localhost is", "github.com is", g.HostName, "github.com"}, person: idp.Alice,
		}
	})
}

func TestGuide_SAML(t *testing.T) {
	runGuide(t, "saml.md", func(d *daemon, _ *idp.CA) stage {
		s := idp.StartSimpleSAML(t, d.callback(), d.callback(), idp.SimpleSAMLOptions{})
		base := strings.TrimSuffix(s.EntityID, "/idp")
		return stage{put: []string{"https://id.example.com", base}, back: []string{base, "https://id.example.com"}, person: idp.Alice}
	})
}

// Keycloak's place is taken by another Dex, whose issuer has a path too.
func TestGuide_Keycloak(t *testing.T) {
	runGuide(t, "keycloak.md", func(d *daemon, _ *idp.CA) stage {
		dex := idp.StartDex(t, d.callback())
		return stage{
			put: []string{
				"https://id.example.com/realms/acme", dex.Issuer, "Xk2vTz8cQ1rB0nYs", dex.ClientSecret, "Pq7LwE5mJ9dHuA3f", dex.ClientSecret,
			},
			back: []string{"127.0.0.1 is", "id.example.com is", dex.Issuer, "https://id.example.com/realms/acme"}, person: dex.People[0],
		}
	})
}

// Okta's place is taken by panva's provider, which has the groups in its UserInfo
// as Okta has.
func TestGuide_Okta(t *testing.T) {
	runGuide(t, "okta.md", func(d *daemon, _ *idp.CA) stage {
		p := idp.StartPanva(t, d.callback())
		return stage{
			put: []string{
				"https://acme.okta.com", p.Issuer, "0oa9x7k2mQeRtYuIo5d7", p.ClientID, "kJ4-the-secret", p.ClientSecret, "vR8-the-new-secret", p.ClientSecret,
			},
			back: []string{"127.0.0.1 is", "acme.okta.com is", p.Issuer, "https://acme.okta.com"}, person: p.People[0],
		}
	})
}

// Entra's place is taken by another Dex, which calls the object ID sub and its
// groups by their names.
func TestGuide_Entra(t *testing.T) {
	runGuide(t, "entra.md", func(d *daemon, _ *idp.CA) stage {
		dex := idp.StartDex(t, d.callback())
		return stage{
			put: []string{
				"https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0", dex.Issuer, "userIDKey: oid", "userIDKey: sub",
				"6731de76-14a6-49ae-97bc-6eba6914391e", dex.ClientID, "qW18Q~the-secret-value", dex.ClientSecret, "eR28Q~the-new-value", dex.ClientSecret,
				"group:0c1f7c39-2d1b-4a55-8d8f-6a3f0d2b9a11", "group:developers",
			},
			back: []string{
				"127.0.0.1 is", "login.microsoftonline.com is", `"admins","developers"`, `"07a1f2be-9a0c-4f0e-b1d5-3b6f1d6c2e90","0c1f7c39-2d1b-4a55-8d8f-6a3f0d2b9a11"`,
				"groups: admins, developers", "groups: 07a1f2be-9a0c-4f0e-b1d5-3b6f1d6c2e90, 0c1f7c39-2d1b-4a55-8d8f-6a3f0d2b9a11",
				dex.Issuer, "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0",
				"group:developers", "group:0c1f7c39-2d1b-4a55-8d8f-6a3f0d2b9a11", "group:admins", "group:07a1f2be-9a0c-4f0e-b1d5-3b6f1d6c2e90",
			},
			person: dex.People[0],
		}
	})
}

// Data needs no provider.
func TestGuide_FirstRepository(t *testing.T) {
	runGuide(t, "first-repository.md", func(*daemon, *idp.CA) stage { return stage{} })
}

// Each guide has a document that pachd takes, and which its preset writes but for
// what people fill in: also those of providers that cannot be started here.
func TestGuides_DocumentsAreAccepted(t *testing.T) {
	ca := idp.NewCA(t)
	guides, err := filepath.Glob(filepath.Join(guidesDir, "*.md"))
	if err != nil || len(guides) != 20 {
		t.Fatalf("guides: %v, %v", guides, err)
	}
	for _, guide := range guides {
		name := filepath.Base(guide)
		if slices.Contains([]string{"README.md", "applications.md", "backup.md", "console.md", "first-repository.md", "helm.md", "install.md", "local.md", "several.md", "workloads.md"}, name) { // of no one provider
			continue
		}
		documents := 0
		for _, b := range blocksOf(t, name) {
			if b.kind != "file" {
				continue
			}
			var doc struct {
				Type    string         `json:"type"`
				ID      string         `json:"id"`
				Name    string         `json:"name"`
				Version int64          `json:"version"`
				Config  map[string]any `json:"config"`
			}
			if err := strict.Decode([]byte(b.text), &doc); err != nil {
				t.Errorf("%s:%d: %v", name, b.line, err)
				continue
			}
			if doc.Type == "" { // a change to the document
				continue
			}
			documents++
			for key, value := range doc.Config {
				if text, ok := value.(string); ok && strings.HasPrefix(text, "/etc/pachyderm/") {
					doc.Config[key] = ca.File
				}
			}
			_, err := connector.Open(doc.ID, doc.Type, doc.Config, connector.Deps{
				Now: time.Now, Log: slog.New(slog.DiscardHandler), Callback: guidesPachd + "/callback", FormURL: func(string) string { return "" },
			})
			if err != nil {
				t.Errorf("%s:%d: %v", name, b.line, cmp.Or(fault.Message(err), err.Error()))
			}
		}
		if documents == 0 {
			t.Errorf("%s has no document", name)
		}
	}
}

var mdLink = regexp.MustCompile(`\]\(([^)#]+)(?:#[^)]*)?\)`)

// Links within the repository lead somewhere, and every guide is in the table.
func TestGuides_Links(t *testing.T) {
	guides, err := filepath.Glob(filepath.Join(guidesDir, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile(filepath.Join(guidesDir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, guide := range guides {
		data, err := os.ReadFile(guide)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range mdLink.FindAllStringSubmatch(string(data), -1) {
			if u, err := url.Parse(m[1]); err != nil || u.Scheme != "" {
				continue
			}
			if _, err := os.Stat(filepath.Join(guidesDir, m[1])); err != nil {
				t.Errorf("%s: nothing is at %s", guide, m[1])
			}
		}
		if name := filepath.Base(guide); name != "README.md" && !strings.Contains(string(table), "]("+name+")") {
			t.Errorf("README.md does not name %s", name)
		}
	}
}

// theirs are what providers say, and what nobody says, in the tables of troubles.
var theirs = regexp.MustCompile(`says|AADSTS|signed in, but|does not know|Microsoft's page|access_denied`)

// The messages in the tables are ours to the letter, so that whoever searches
// for one finds it.
func TestGuides_MessagesAreThoseOfPachd(t *testing.T) {
	all := sayings(t)
	guides, err := filepath.Glob(filepath.Join(guidesDir, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, guide := range guides {
		data, err := os.ReadFile(guide)
		if err != nil {
			t.Fatal(err)
		}
		_, table, _ := strings.Cut(string(data), "| What you see |")
		_, table, _ = strings.Cut(table, "\n")
		for line := range strings.Lines(table) {
			if !strings.HasPrefix(line, "|") {
				break
			}
			cell := strings.Split(line, "|")[1]
			if theirs.MatchString(cell) {
				continue
			}
			for _, span := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
				if len(span[1]) < 8 {
					continue
				}
				checked++
				if !slices.ContainsFunc(all, func(s saying) bool { return s.contains(span[1]) }) {
					t.Errorf("%s: nothing in pachd says %q", guide, span[1])
				}
			}
		}
	}
	if checked < 50 {
		t.Errorf("only %d messages were found", checked)
	}
}
