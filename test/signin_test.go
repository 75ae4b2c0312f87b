package test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pachyderm/test/idp"
)

// scenario is a connector whose provider runs, and what is expected of it.
type scenario struct {
	document func(d *daemon) string // as an administrator writes it; its id is idp
	client   func(testing.TB) *http.Client
	// provider can be away for a while; nil for one that was away in another scenario.
	provider interface {
		Start()
		Stop()
	}
	person idp.Person // who may sign in
	groups []string   // of that person; nil for not to be compared
	// told is on the page that answers a wrong password; "" where nobody types one.
	told string
	// refused is somebody who has an account and may not sign in. Directories
	// answer as to a wrong password, so that nobody can find out who is there.
	refused idp.Person
	reason  string // that pachctl ends with
	// away is part of what pachctl ends with while the provider is down, if the
	// provider is asked before the browser is sent there.
	away string
}

// document is a connector file in JSON.
func document(typ string, config map[string]any) func(*daemon) string {
	return func(d *daemon) string {
		whole := map[string]any{}
		for key, value := range config {
			whole[key] = value
		}
		if typ != "ldap" {
			whole["redirectURI"] = d.callback()
		}
		data, err := json.Marshal(map[string]any{"type": typ, "id": "idp", "name": "An identity provider", "version": 1, "config": whole})
		if err != nil {
			d.tb.Fatal(err)
		}
		return string(data)
	}
}

// with is a configuration with changes.
func with(config, changes map[string]any) map[string]any {
	out := map[string]any{}
	for _, m := range []map[string]any{config, changes} {
		for key, value := range m {
			out[key] = value
			if value == nil {
				delete(out, key)
			}
		}
	}
	return out
}

// house is pachd with its root user at a terminal.
type house struct {
	*daemon
	t    *testing.T
	root *terminal
}

func newHouse(t *testing.T) *house {
	t.Helper()
	d := newDaemon(t, "PACHD_ISSUER_SIGNING_ALGORITHM=ES256", "PACHD_LIMITS_SIGN_INS_PER_MINUTE=100000") // eventually asks without a pause
	d.start()
	h := &house{d, t, newTerminal(t, d)}
	h.root.run(d.rootToken(), "auth", "use-auth-token")
	return h
}

// create runs pachctl idp create-connector and returns what it says.
func (h *house) create(document string) (string, error) {
	h.t.Helper()
	return h.idp("create-connector", document)
}

// check runs pachctl idp check-connector and returns what it says.
func (h *house) check(document string) (string, error) {
	h.t.Helper()
	return h.idp("check-connector", document)
}

func (h *house) idp(command, document string) (string, error) {
	h.t.Helper()
	file := filepath.Join(h.t.TempDir(), "connector")
	if err := os.WriteFile(file, []byte(document), 0o600); err != nil {
		h.t.Fatal(err)
	}
	out, err := h.root.command("idp", command, "--config", file).CombinedOutput()
	return string(out), err
}

// connect makes the connector under test, and one beside it that must not mind
// what becomes of the other.
func (h *house) connect(document string) {
	h.t.Helper()
	for _, one := range []string{document, `{"type": "mockCallback", "id": "beside", "name": "Beside", "version": 1, "config": {}}`} {
		if out, err := h.create(one); err != nil {
			h.t.Fatalf("pachctl idp create-connector: %v\n%s", err, out)
		}
	}
}

// attempt is one pachctl auth login with one connector, in one browser.
type attempt struct {
	house  *house
	t      *testing.T
	seat   *terminal
	client *http.Client
	start  string
	*login
}

func (h *house) begin(connector string, client *http.Client) *attempt {
	h.t.Helper()
	seat := newTerminal(h.t, h.daemon)
	l := seat.begin()
	return &attempt{h, h.t, seat, client, l.address + "&connector_id=" + connector, l}
}

// as goes through all pages as a person, and returns the last one.
func (a *attempt) as(p idp.Person) (string, error) {
	a.t.Helper()
	at, text, err := idp.SignIn(a.t, a.client, a.start, p, nil)
	// The person tries again on our own page, which can be opened once more; a
	// provider's page may be the answer to a form, and is left by going back.
	if at != nil && err != nil && at.Host == a.house.http {
		a.start = at.String()
	}
	return text, err
}

// succeeds ends with a session of the person, in the groups.
func (a *attempt) succeeds(p idp.Person, groups []string) {
	a.t.Helper()
	text, err := a.as(p)
	if err != nil {
		a.t.Fatalf("%s does not get in: %v: %s", p.Name, err, text)
	}
	out, err := a.wait()
	if err != nil {
		a.t.Fatalf("pachctl auth login: %v\n%s\nthe last page says: %s", err, out, text)
	}
	if who := a.seat.run("", "auth", "whoami"); !strings.Contains(who, `You are "user:`+p.Email+`"`) {
		a.t.Errorf("pachctl auth whoami says:\n%s", who)
	}
	if groups == nil {
		return
	}
	got := strings.Fields(a.seat.run("", "auth", "get-groups"))
	var want []string
	for _, g := range groups {
		want = append(want, "group:"+g)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		a.t.Errorf("pachctl auth get-groups says %q, want %q", got, want)
	}
}

// ends says that pachctl has given up, for a reason, and that nobody is signed in.
func (a *attempt) ends(reason string) {
	a.t.Helper()
	out, err := a.wait()
	if err == nil || !strings.Contains(strings.ToLower(out), strings.ToLower(reason)) {
		a.t.Errorf("pachctl auth login ends with %v and does not say %q:\n%s", err, reason, out)
	}
	a.nobody()
}

func (a *attempt) nobody() {
	a.t.Helper()
	if out, err := a.seat.command("auth", "whoami").CombinedOutput(); err == nil {
		a.t.Errorf("somebody is signed in:\n%s", out)
	}
}

// run goes through all that a connector must do, with one pachd.
func (c scenario) run(t *testing.T) {
	t.Helper()
	c.runIn(t, newHouse(t))
}

// runIn is run for providers that must know pachd beforehand.
func (c scenario) runIn(t *testing.T, h *house) {
	t.Helper()
	h.connect(c.document(h.daemon))
	h.begin("idp", c.client(t)).succeeds(c.person, c.groups)
	if c.told != "" {
		a := h.begin("idp", c.client(t))
		c.refuses(a, c.person.WithPassword("wrong"))
		a.succeeds(c.person, c.groups)
	}
	if c.refused.Name != "" {
		a := h.begin("idp", c.client(t))
		if c.reason == "" {
			c.refuses(a, c.refused)
		} else {
			if _, err := a.as(c.refused); err != nil {
				t.Errorf("%s does not reach the end: %v", c.refused.Name, err)
			}
			a.ends(c.reason)
		}
	}
	if c.provider != nil {
		c.survivesAnOutage(t, h)
	}
}

// refuses says that the page tells why it asks again, and that pachctl has
// nothing yet.
func (c scenario) refuses(a *attempt, p idp.Person) {
	a.t.Helper()
	text, err := a.as(p)
	if err == nil || !strings.Contains(strings.ToLower(text), strings.ToLower(c.told)) {
		a.t.Errorf("%s with the password %q: %v, and the page does not say %q:\n%s", p.Name, p.Password, err, c.told, text)
	}
	a.nobody()
}

func (c scenario) survivesAnOutage(t *testing.T, h *house) {
	t.Helper()
	c.provider.Stop()
	if c.away != "" {
		// What pachd has heard a moment ago counts for a moment.
		eventually(t, func() string {
			a := h.begin("idp", c.client(t))
			page, err := a.as(c.person)
			if err != nil && !strings.Contains(page, "Sign in") {
				a.kill()
				return err.Error() // the browser was sent to a provider that is away
			}
			a.ends(c.away)
			return ""
		})
	}
	h.begin("beside", c.client(t)).succeeds(idp.Person{Name: "kilgore", Email: "kilgore@kilgore.trout"}, nil)
	c.provider.Start()
	h.recovers(c)
}

// recovers says that people can sign in as soon as list-connector says that the
// provider is up, which pachd notices by itself.
func (h *house) recovers(c scenario) {
	h.t.Helper()
	eventually(h.t, func() string {
		out := h.root.run("", "idp", "list-connector", "-o", "json")
		var list []struct{ ID, State string }
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			h.t.Fatalf("%v: %s", err, out)
		}
		for _, one := range list {
			if one.ID == "idp" && one.State == "ready" {
				return ""
			}
		}
		return out
	})
	h.begin("idp", c.client(h.t)).succeeds(c.person, c.groups)
}

// eventually asks until the answer is "". It does not pause between: each ask
// runs pachctl, to its end.
func eventually(t *testing.T, ask func() string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		problem := ask()
		if problem == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("it stays so: %s", problem)
		}
	}
}

// atCallback says that a browser is about to come back to pachd.
func (h *house) atCallback(u *url.URL) bool { return strings.HasPrefix(u.String(), h.callback()) }

func newClient(tb testing.TB) *http.Client { tb.Helper(); return idp.NewClient(tb) }
