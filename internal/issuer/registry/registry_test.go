package registry_test

import (
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dexidp/dex/storage"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"pachyderm/demo/op"
	"pachyderm/demo/op/optest"
	"pachyderm/internal/connector"
	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/dexstore"
	"pachyderm/internal/issuer/grant"
	"pachyderm/internal/issuer/oidcclient"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/issuer/settings"
	"pachyderm/internal/managed"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
)

const callback = "http://localhost:30658/callback"

// office is a registry, a provider to connect, and a clock.
type office struct {
	*registry.Registry
	t   *testing.T
	db  *db.DB
	op  *op.Provider
	now time.Time

	keyFile string
}

func open(t *testing.T, d *db.DB, p *op.Provider) *office {
	t.Helper()
	keyFile := filepath.Join(t.TempDir(), "key")
	sealer, err := secret.OpenFor(t.Context(), d, secret.File(keyFile))
	if err != nil {
		t.Fatal(err)
	}
	o := &office{t: t, db: d, op: p, keyFile: keyFile, now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return o.now }
	o.Registry = registry.New(registry.Config{
		DB: d, Sealer: sealer, Objects: dexstore.New(d, sealer), Grants: grant.NewStore(d, sealer, clock), Now: clock, Reserved: []string{"pachctl"},
		Own: func() storage.Client {
			return storage.Client{ID: "pachd", Name: "Pachyderm", Secret: "of this process", RedirectURIs: []string{"https://pach.example.com/callback"}}
		},
		Deps: func() connector.Deps {
			return connector.Deps{Now: clock, Log: slog.New(slog.DiscardHandler), Callback: callback}
		},
	})
	return o
}

func each(t *testing.T, f func(t *testing.T, o *office)) {
	p := optest.Start(t, callback)
	dbtest.Each(t, func(t *testing.T, d *db.DB) { f(t, open(t, d, p)) })
}

func (o *office) document(id string) registry.Connector {
	return registry.Connector{ID: id, Name: "Demo", Type: "oidc", Version: 1, Config: map[string]any{
		"issuer": o.op.Issuer, "clientID": o.op.ClientID, "clientSecret": o.op.ClientSecret, "redirectURI": callback,
		"claimMapping": map[string]any{"groups": "roles", "name": "nick"},
	}}
}

func (o *office) create(c registry.Connector) {
	o.t.Helper()
	if err := o.CreateConnector(o.t.Context(), registry.Operator(), c); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) update(c registry.Connector) error {
	return o.UpdateConnector(o.t.Context(), registry.Operator(), c)
}

// stored is the current row, secrets and all.
func (o *office) stored(id string) registry.Row {
	o.t.Helper()
	r, err := o.ReadRevision(o.t.Context(), id, "")
	if err != nil {
		o.t.Fatal(err)
	}
	return r
}

// In the words of the decision: absent or 0 means "whatever is stored"; the
// stored version with identical content is a successful no-op; any other value
// must be stored + 1.
func TestUpdateConnector_Versions(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		for name, c := range map[string]struct {
			given int64
			same  bool
			want  int64 // 0: a conflict
		}{
			"absent, a change":        {0, false, 8},
			"absent, nothing new":     {0, true, 7},
			"stored, a change":        {7, false, 0},
			"stored, nothing new":     {7, true, 7},
			"the next, a change":      {8, false, 8},
			"the next, nothing new":   {8, true, 8},
			"one before, a change":    {6, false, 0},
			"one before, nothing new": {6, true, 0},
			"two on, a change":        {9, false, 0},
			"two on, nothing new":     {9, true, 0},
			"negative, a change":      {-1, false, 0},
			"negative, nothing new":   {-1, true, 0},
		} {
			t.Run(name, func(t *testing.T) {
				o.t = t
				id := strings.NewReplacer(" ", "-", ",", "").Replace(name)
				doc := o.document(id)
				doc.Version = 7
				o.create(doc)
				before := o.stored(id)
				doc.Version = c.given
				if !c.same {
					doc.Name = "Renamed"
				}
				err := o.update(doc)
				after := o.stored(id)
				if c.want == 0 {
					if !fault.Is(err, fault.Conflict) || !strings.Contains(fault.Message(err), "expected 8") {
						t.Errorf("got %v", err)
					}
					if diff := cmp.Diff(before, after, unexported()); diff != "" {
						t.Errorf("a refused update changed something:\n%s", diff)
					}
					return
				}
				if err != nil || after.Version != c.want || after.Name != doc.Name {
					t.Errorf("got version %d, name %s, %v; want %d, %s", after.Version, after.Name, err, c.want, doc.Name)
				}
				if noop := c.want == 7; (after.Revision == before.Revision) != noop {
					t.Errorf("revision %s, then %s", before.Revision, after.Revision)
				}
			})
		}
	})
}

func TestUpdateConnector_VersionAlone(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		o.create(o.document("demo"))
		before := o.stored("demo")
		if err := o.update(registry.Connector{ID: "demo", Version: 2}); err != nil {
			t.Fatal(err)
		}
		after := o.stored("demo")
		if after.Version != 2 {
			t.Errorf("version %d", after.Version)
		}
		after.Version, after.Revision = before.Version, before.Revision
		if diff := cmp.Diff(before, after, cmpopts.IgnoreUnexported(registry.Row{})); diff != "" {
			t.Errorf("something else changed:\n%s", diff)
		}
	})
}

func unexported() cmp.Option { return cmp.AllowUnexported(registry.Row{}) }

func TestUpdateConnector(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		o.create(o.document("demo"))
		err := o.update(registry.Connector{ID: "demo", Config: map[string]any{
			"clientSecret": "***", "insecureEnableGroups": true, "claimMapping": map[string]any{"name": nil},
		}})
		if err != nil {
			t.Fatal(err)
		}
		got, want := o.stored("demo"), o.document("demo")
		want.Version = 2
		want.Config["insecureEnableGroups"] = true
		want.Config["claimMapping"] = map[string]any{"groups": "roles"}
		want.Approval, want.Revision, want.State = registry.Approved, got.Revision, registry.Active
		if diff := cmp.Diff(want, got.Connector); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		// What was read can be written back, and changes nothing.
		read, err := o.Connector(t.Context(), "demo")
		if err != nil || read.Config["clientSecret"] != "***" {
			t.Fatalf("read %v, %v", read.Config, err)
		}
		if err := o.update(read); err != nil || o.stored("demo").Revision != got.Revision {
			t.Errorf("written back: %v", err)
		}
	})
}

func TestUpdateConnector_Refused(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		o.create(o.document("demo"))
		before := o.stored("demo")
		for name, c := range map[string]struct {
			change registry.Connector
			kind   fault.Kind
			field  string
		}{
			"of what does not exist": {registry.Connector{ID: "nosuch", Name: "x"}, fault.NotFound, ""},
			"to another type": {
				registry.Connector{ID: "demo", Type: "mockPassword", Config: map[string]any{"username": "u", "password": "p"}}, fault.Invalid, "type",
			},
			"by an unknown key": {
				registry.Connector{ID: "demo", Config: map[string]any{"clientId": "x"}}, fault.Invalid, "config.clientId",
			},
			"by an unknown key, and a version that is not the next": {
				registry.Connector{ID: "demo", Version: 9, Config: map[string]any{"clientId": "x"}}, fault.Invalid, "config.clientId",
			},
			"by a key that is right, and a version that is not the next": {
				registry.Connector{ID: "demo", Version: 9, Config: map[string]any{"insecureEnableGroups": true}}, fault.Conflict, "",
			},
			"by removing what is needed": {
				registry.Connector{ID: "demo", Config: map[string]any{"clientSecret": nil}}, fault.Invalid, "config.clientSecret",
			},
			"by a dead provider": {
				registry.Connector{ID: "demo", Config: map[string]any{"issuer": "http://127.0.0.1:1", "clientSecret": "another"}}, fault.Unavailable, "",
			},
			"by what is no provider": {
				registry.Connector{ID: "demo", Config: map[string]any{"issuer": o.op.Issuer + "/login", "clientSecret": "another"}}, fault.Precondition, "",
			},
			"by sending the stored secret elsewhere": {
				registry.Connector{ID: "demo", Config: map[string]any{"issuer": "http://127.0.0.1:1"}}, fault.Invalid, "",
			},
			"by sending the stored secret elsewhere, as it is shown": {
				registry.Connector{ID: "demo", Config: map[string]any{"issuer": "http://127.0.0.1:1", "clientSecret": "***"}}, fault.Invalid, "",
			},
		} {
			err := o.update(c.change)
			if !fault.Is(err, c.kind) || fault.FieldOf(err) != c.field {
				t.Errorf("%s: %v at %q, want %s at %q", name, err, fault.FieldOf(err), c.kind, c.field)
			}
			if diff := cmp.Diff(before, o.stored("demo"), unexported()); diff != "" {
				t.Errorf("%s: something changed:\n%s", name, diff)
			}
		}
	})
}

func TestCreateConnector_Refused(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		for name, c := range map[string]struct {
			change func(*registry.Connector)
			kind   fault.Kind
			field  string
			want   string
		}{
			"no id":            {func(c *registry.Connector) { c.ID = "" }, fault.Invalid, "id", "no id specified"},
			"an id for a path": {func(c *registry.Connector) { c.ID = "a/b" }, fault.Invalid, "id", "a/b"},
			"an id too long":   {func(c *registry.Connector) { c.ID = strings.Repeat("a", 64) }, fault.Invalid, "id", "at most 63"},
			"an id of dots":    {func(c *registry.Connector) { c.ID = ".." }, fault.Invalid, "id", ".."},
			"no type":          {func(c *registry.Connector) { c.Type = "" }, fault.Invalid, "type", "no type specified"},
			"an unknown type":  {func(c *registry.Connector) { c.Type = "oidcc" }, fault.Invalid, "type", `unknown connector type "oidcc"`},
			"no name":          {func(c *registry.Connector) { c.Name = "" }, fault.Invalid, "name", "no name specified"},
			"no config":        {func(c *registry.Connector) { c.Config = nil }, fault.Invalid, "config", "no configs are defined"},
			"a mask": {
				func(c *registry.Connector) { c.Config["clientSecret"] = "***" }, fault.Invalid, "config.clientSecret", "none is stored",
			},
			"a bad version": {func(c *registry.Connector) { c.Version = -1 }, fault.Invalid, "version", "-1"},
			"an unknown key": {
				func(c *registry.Connector) { c.Config["clientId"] = "x" }, fault.Invalid, "config.clientId", "did you mean clientID?",
			},
			"a dead provider": {
				func(c *registry.Connector) { c.Config["issuer"] = "http://127.0.0.1:1" }, fault.Unavailable, "", "unable to open connector",
			},
		} {
			doc := o.document("demo")
			c.change(&doc)
			err := o.CreateConnector(t.Context(), registry.Operator(), doc)
			if !fault.Is(err, c.kind) || fault.FieldOf(err) != c.field || !strings.Contains(fault.Message(err), c.want) {
				t.Errorf("%s: %v at %q, want %s %q at %q", name, err, fault.FieldOf(err), c.kind, c.want, c.field)
			}
			if err != nil && strings.Contains(err.Error(), o.op.ClientSecret) {
				t.Errorf("%s: the secret was told: %v", name, err)
			}
		}
		if all, err := o.Connectors(t.Context()); err != nil || len(all) != 0 {
			t.Errorf("stored nevertheless: %v, %v", all, err)
		}
		o.create(o.document("demo"))
		before := o.stored("demo")
		again := o.document("demo")
		again.Name = "Again"
		if err := o.CreateConnector(t.Context(), registry.Operator(), again); !fault.Is(err, fault.Exists) ||
			!strings.Contains(fault.Message(err), "ID already exists") {
			t.Errorf("twice: %v", err)
		}
		if diff := cmp.Diff(before, o.stored("demo"), unexported()); diff != "" {
			t.Errorf("the first was changed:\n%s", diff)
		}
	})
}

func TestConnectors_NoSecrets(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		o.create(o.document("b"))
		o.create(registry.Connector{ID: "a", Name: "Mock", Type: "mockPassword", Config: map[string]any{"username": "u", "password": "hidden"}})
		one, err := o.Connector(t.Context(), "b")
		if err != nil {
			t.Fatal(err)
		}
		all, err := o.Connectors(t.Context())
		if err != nil || len(all) != 2 || all[0].ID != "a" || all[1].ID != "b" {
			t.Fatalf("listed %v, %v", all, err)
		}
		for _, c := range append(all, one) {
			key := map[string]string{"oidc": "clientSecret", "mockPassword": "password"}[c.Type]
			if c.Config[key] != "***" {
				t.Errorf("%s shows its %s: %v", c.ID, key, c.Config[key])
			}
		}
		if o.stored("a").Config["password"] != "hidden" || o.stored("b").Config["clientSecret"] != o.op.ClientSecret {
			t.Error("the mask was stored in place of a secret")
		}
		if _, err := o.Connector(t.Context(), "nosuch"); !fault.Is(err, fault.NotFound) ||
			!strings.Contains(fault.Message(err), `"nosuch": ID does not exist`) {
			t.Errorf("an unknown one: %v", err)
		}
	})
}

func TestUpdateConnector_ConcurrentWriters(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		o.create(o.document("demo"))
		const admins = 12
		errs := make([]error, admins)
		var wg sync.WaitGroup
		for n := range admins {
			wg.Go(func() {
				// each has seen version 1 and writes 2
				errs[n] = o.update(registry.Connector{ID: "demo", Version: 2, Name: "admin " + string(rune('a'+n))})
			})
		}
		wg.Wait()
		won := ""
		for n, err := range errs {
			switch {
			case err == nil && won == "":
				won = "admin " + string(rune('a'+n))
			case err == nil:
				t.Error("two have won")
			case !fault.Is(err, fault.Conflict):
				t.Errorf("admin %c: %v", 'a'+n, err)
			}
		}
		if got := o.stored("demo"); got.Version != 2 || got.Name != won || won == "" {
			t.Errorf("stored %d %q, won %q", got.Version, got.Name, won)
		}
	})
}

func TestUpdateConnector_Managed(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		by := registry.Declarer(managed.Entry{Origin: "pachd.yaml, bootstrap.connectors", Digest: "d"})
		if err := o.DeclareConnector(t.Context(), by, o.document("demo")); err != nil {
			t.Fatal(err)
		}
		before := o.stored("demo")
		for what, err := range map[string]error{
			"update": o.update(registry.Connector{ID: "demo", Name: "x"}),
			"delete": o.DeleteConnector(t.Context(), principal.Root, "demo"),
		} {
			if !fault.Is(err, fault.Precondition) || !strings.Contains(fault.Message(err), "pachd's configuration declares it: change it in pachd.yaml, bootstrap.connectors") {
				t.Errorf("%s: %v", what, err)
			}
		}
		if diff := cmp.Diff(before, o.stored("demo"), unexported()); diff != "" {
			t.Error(diff)
		}
		// Nor is their secret sent elsewhere for a connector test or a check.
		const elsewhere = "https://elsewhere.example.com"
		for _, config := range []map[string]any{{"issuer": elsewhere}, {"issuer": elsewhere, "clientSecret": "***"}} {
			if _, _, err := o.ForTest(t.Context(), registry.Connector{ID: "demo", Config: config}); !fault.Is(err, fault.Precondition) {
				t.Errorf("its secret with %v: %v", config, err)
			}
		}
		for _, config := range []map[string]any{nil, {"clientSecret": "***"}, {"issuer": elsewhere, "clientSecret": "of a trial"}} {
			if _, _, err := o.ForTest(t.Context(), registry.Connector{ID: "demo", Config: config}); err != nil {
				t.Errorf("%v: %v", config, err)
			}
		}
	})
}

func (o *office) owns(id string) bool {
	o.t.Helper()
	return cmp.Equal(o.names(id, "engineers"), []string{"engineers"})
}

// names are what groups that a connector asserts are called here.
func (o *office) names(id string, groups ...string) []string {
	o.t.Helper()
	names, err := o.GroupNames(o.t.Context(), id, o.stored(id).Instance, groups)
	if err != nil {
		o.t.Fatal(err)
	}
	return names
}

func TestGroupNames_UnderAnotherConnector(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		o.create(o.document("gitlab"))
		o.create(o.document("okta"))
		// \u212a is the sign of kelvin, which is composed to a K.
		o.create(o.document("K"))
		asserted := []string{"admins", "team/admins", "okta/admins", "gitlab/x", "okta", "group:okta/admins", "\u212a/admins"}
		for id, want := range map[string][]string{
			"gitlab": {"admins", "team/admins", "gitlab/okta/admins", "gitlab/gitlab/x", "okta", "gitlab/okta/admins", "gitlab/K/admins"},
			"okta":   {"okta/admins", "okta/team/admins", "okta/okta/admins", "okta/gitlab/x", "okta/okta", "okta/okta/admins", "okta/K/admins"},
		} {
			if diff := cmp.Diff(want, o.names(id, asserted...)); diff != "" {
				t.Errorf("%s: %s", id, diff)
			}
		}
		if names := o.names("gitlab", "\u0430dmins", " ", "a\x00b"); names == nil || len(names) > 0 {
			t.Errorf("what cannot be a name became %q", names)
		}
		if names, err := o.GroupNames(t.Context(), "okta", o.stored("okta").Instance, nil); names != nil || err != nil {
			t.Errorf("nothing said of groups became %v, %v", names, err)
		}
	})
}

func TestGroupNames_FirstConnectorOwnsBareOnes(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		remove := func(id string) {
			t.Helper()
			if err := o.DeleteConnector(t.Context(), principal.Root, id); err != nil {
				t.Fatal(err)
			}
		}
		o.create(o.document("first"))
		o.create(o.document("second"))
		if !o.owns("first") || o.owns("second") {
			t.Errorf("first owns: %v, second owns: %v", o.owns("first"), o.owns("second"))
		}
		remove("second")
		if !o.owns("first") {
			t.Error("the first lost them to a deletion of the second")
		}
		o.create(o.document("second"))
		remove("first")
		if o.owns("second") {
			t.Error("the second inherited the names that roles may be bound to")
		}
		o.create(o.document("third"))
		if !o.owns("third") || o.owns("second") {
			t.Error("names that nobody owned were not given to the next new connector")
		}
		if err := o.update(registry.Connector{ID: "third", Name: "x"}); err != nil || !o.owns("third") {
			t.Errorf("lost by an update: %v", err)
		}
	})
}

func TestDeleteConnector(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		o.create(o.document("demo"))
		old := o.stored("demo")
		check := func(instance string) error {
			return o.db.View(t.Context(), func(tx *db.Tx) error {
				_, err := registry.CheckConnected(t.Context(), tx, "demo", instance)
				return err
			})
		}
		if err := check(old.Instance); err != nil {
			t.Errorf("connected: %v", err)
		}
		if err := o.DeleteConnector(t.Context(), principal.Root, "demo"); err != nil {
			t.Fatal(err)
		}
		if err := o.DeleteConnector(t.Context(), principal.Root, "demo"); !fault.Is(err, fault.NotFound) {
			t.Errorf("twice: %v", err)
		}
		o.create(o.document("demo"))
		if now := o.stored("demo"); now.Instance == old.Instance || now.Revision == old.Revision {
			t.Errorf("the new one is the old one: %v", now)
		}
		// A login that began with the old one finds neither its revision nor its instance.
		if _, err := o.ReadRevision(t.Context(), "demo", old.Revision); !fault.Is(err, fault.NotFound) {
			t.Errorf("the old revision: %v", err)
		}
		if err := check(old.Instance); !fault.Is(err, fault.Denied) {
			t.Errorf("the old instance: %v", err)
		}
	})
}

func TestReadRevision_ReplacedOnes(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		o.create(o.document("demo"))
		first := o.stored("demo").Revision
		replaced := o.now.Add(time.Hour)
		o.now = replaced
		if err := o.update(registry.Connector{ID: "demo", Name: "x"}); err != nil {
			t.Fatal(err)
		}
		if r, err := o.ReadRevision(t.Context(), "demo", first); err != nil || r.Name != "Demo" {
			t.Errorf("the replaced revision: %v, %v", r.Name, err)
		}
		o.now = replaced.Add(time.Hour)
		o.create(o.document("another")) // so that connectors are read again
		if _, err := o.ReadRevision(t.Context(), "demo", first); !fault.Is(err, fault.NotFound) {
			t.Errorf("after its time: %v", err)
		}
		if o.stored("demo").Name != "x" {
			t.Error("the current revision has gone")
		}
	})
}

func TestSettings_Refused(t *testing.T) {
	for name, c := range map[string]struct {
		s        settings.Settings
		insecure bool
		field    string
	}{
		"nothing":                     {settings.Settings{}, false, ""},
		"a path":                      {settings.Settings{Issuer: "https://pach.example.com/dex/"}, false, ""},
		"loopback":                    {settings.Settings{Issuer: "http://127.0.0.1:30658"}, false, ""},
		"in clear, allowed":           {settings.Settings{Issuer: "http://pach.example.com"}, true, ""},
		"in clear":                    {settings.Settings{Issuer: "http://pach.example.com"}, false, "issuer"},
		"almost upstream's default":   {settings.Settings{Issuer: "http://pachd:1658/dex"}, false, "issuer"},
		"no scheme":                   {settings.Settings{Issuer: "pach.example.com"}, false, "issuer"},
		"another scheme":              {settings.Settings{Issuer: "ftp://pach.example.com"}, false, "issuer"},
		"a query":                     {settings.Settings{Issuer: "https://pach.example.com?x=1"}, false, "issuer"},
		"a fragment":                  {settings.Settings{Issuer: "https://pach.example.com#x"}, false, "issuer"},
		"a user":                      {settings.Settings{Issuer: "https://u:p@pach.example.com"}, false, "issuer"},
		"durations":                   {settings.Settings{IDTokenExpiry: "90m", RotationTokenExpiry: "720h"}, false, ""},
		"no duration":                 {settings.Settings{IDTokenExpiry: "a day"}, false, "id_token_expiry"},
		"a number without unit":       {settings.Settings{IDTokenExpiry: "24"}, false, "id_token_expiry"},
		"zero":                        {settings.Settings{IDTokenExpiry: "0s"}, false, "id_token_expiry"},
		"less than tokens can say":    {settings.Settings{IDTokenExpiry: "999ms"}, false, "id_token_expiry"},
		"negative":                    {settings.Settings{RotationTokenExpiry: "-1h"}, false, "rotation_token_expiry"},
		"a bad one behind a good one": {settings.Settings{IDTokenExpiry: "24h", RotationTokenExpiry: "x"}, false, "rotation_token_expiry"},
	} {
		p, err := c.s.Parse("https://fallback.example.com", c.insecure)
		if c.field != "" {
			if !fault.Is(err, fault.Invalid) || fault.FieldOf(err) != c.field {
				t.Errorf("%s: %v at %q, want it at %q", name, err, fault.FieldOf(err), c.field)
			}
			continue
		}
		if err != nil || p.IDTokens <= 0 || strings.HasSuffix(p.Issuer.Path, "/") {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	for _, none := range []string{"", "http://pachd:1658/"} {
		for _, insecure := range []bool{false, true} {
			p, err := settings.Settings{Issuer: none}.Parse("https://fallback.example.com", insecure)
			if err != nil || p.Issuer.Host != "fallback.example.com" || p.IDTokens != 24*time.Hour || p.Refresh != 0 {
				t.Errorf("%q: %+v, %v", none, p, err)
			}
		}
	}
}

func TestSettings(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		if s, err := o.Settings(t.Context()); err != nil || s != (settings.Settings{}) {
			t.Errorf("at first: %+v, %v", s, err)
		}
		want := settings.Settings{Issuer: "https://pach.example.com", IDTokenExpiry: "1h", RotationTokenExpiry: "2h"}
		for range 2 {
			if err := o.StoreSettings(t.Context(), registry.Operator(), want); err != nil {
				t.Fatal(err)
			}
		}
		if s, err := o.Settings(t.Context()); err != nil || s != want {
			t.Errorf("then: %+v, %v", s, err)
		}
	})
}

func TestClients_Lifecycle(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		client := oidcclient.Client{
			ID: "app", Name: "App", RedirectURIs: []string{"https://app.example.com/cb?x=1"}, TrustedPeers: []string{"pachd"},
		}
		made, err := o.CreateClient(t.Context(), principal.Root, client)
		if err != nil || len(made.Secret) < 26 {
			t.Fatalf("made %+v, %v", made, err)
		}
		if _, err := o.CreateClient(t.Context(), principal.Root, client); !fault.Is(err, fault.Exists) ||
			!strings.Contains(fault.Message(err), "ID already exists") {
			t.Errorf("twice: %v", err)
		}
		client.PKCE = oidcclient.PKCEUntilUsed
		got, err := o.Client(t.Context(), "app")
		if diff := cmp.Diff(client, got); diff != "" || err != nil {
			t.Errorf("read, and the secret must not show (-want +got):\n%s%v", diff, err)
		}
		if err := o.UpdateClient(t.Context(), principal.Root, oidcclient.Client{ID: "app", Secret: "***", TrustedPeers: []string{}}); err != nil {
			t.Fatal(err)
		}
		client.TrustedPeers = nil
		all, err := o.Clients(t.Context())
		if len(all) != 2 || all[1].ID != "pachd" || err != nil {
			t.Fatalf("listed %v, %v", all, err)
		}
		all[0].TrustedPeers = append([]string(nil), all[0].TrustedPeers...)
		if diff := cmp.Diff(client, all[0]); diff != "" {
			t.Errorf("after an update (-want +got):\n%s", diff)
		}
		if secretOf(t, o, "app") != made.Secret {
			t.Error("the mask was taken for a secret")
		}
		if err := o.UpdateClient(t.Context(), principal.Root, oidcclient.Client{ID: "app", Secret: "chosen", Name: "New"}); err != nil ||
			secretOf(t, o, "app") != "chosen" {
			t.Errorf("a new secret: %v", err)
		}
		if err := o.DeleteClient(t.Context(), principal.Root, "app"); err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{
			"read": lastError(o.Client(t.Context(), "app")), "update": o.UpdateClient(t.Context(), principal.Root, oidcclient.Client{ID: "app"}),
			"delete": o.DeleteClient(t.Context(), principal.Root, "app"),
		} {
			if !fault.Is(err, fault.NotFound) || !strings.Contains(fault.Message(err), `unable to find OIDC client with id "app"`) {
				t.Errorf("%s of what is gone: %v", what, err)
			}
		}
	})
}

// The client that pachd is is there before anybody registers it, and is changed
// like any other.
func TestClients_PachdItself(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		const callback = "https://pach.example.com/callback"
		want := oidcclient.Client{ID: "pachd", Name: "Pachyderm", RedirectURIs: []string{callback}, PKCE: oidcclient.PKCERequired}
		check := func() {
			t.Helper()
			one, err := o.Client(t.Context(), "pachd")
			if diff := cmp.Diff(want, one); diff != "" || err != nil {
				t.Errorf("read (-want +got):\n%s%v", diff, err)
			}
			if all, err := o.Clients(t.Context()); err != nil || cmp.Diff([]oidcclient.Client{want}, all) != "" {
				t.Errorf("listed: %v, %v", all, err)
			}
		}
		update := func(c oidcclient.Client) {
			t.Helper()
			c.ID = "pachd"
			if err := o.UpdateClient(t.Context(), principal.Root, c); err != nil {
				t.Fatal(err)
			}
		}
		check()
		if err := o.DeleteClient(t.Context(), principal.Root, "pachd"); !fault.Is(err, fault.Precondition) {
			t.Errorf("delete what is built in: %v", err)
		}
		update(oidcclient.Client{TrustedPeers: []string{"console"}})
		want.TrustedPeers = []string{"console"}
		check()
		if stored, err := o.ClientSecret(t.Context(), "pachd"); err != nil || len(stored) < 40 {
			t.Errorf("its secret is %q, %v", stored, err)
		}
		update(oidcclient.Client{Name: "Ours", RedirectURIs: []string{"https://other.example.com/"}, TrustedPeers: []string{}})
		want.Name, want.RedirectURIs, want.TrustedPeers = "Ours", []string{"https://other.example.com/", callback}, []string{}
		check()
		if err := o.DeleteClient(t.Context(), principal.Root, "pachd"); err != nil {
			t.Fatal(err)
		}
		want = oidcclient.Client{ID: "pachd", Name: "Pachyderm", RedirectURIs: []string{callback}, PKCE: oidcclient.PKCERequired}
		check()
	})
}

// What a client must do about PKCE is learnt once, set by administrators, and
// forgotten with the client.
func TestClients_PKCE(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		of := func(id string) oidcclient.PKCE {
			t.Helper()
			c, err := o.Client(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			_, same, err := o.DexClient(t.Context(), id)
			if err != nil || same != c.PKCE {
				t.Errorf("%s, and for logins %s, %v", c.PKCE, same, err)
			}
			return same
		}
		make := func(id string, p oidcclient.PKCE) {
			t.Helper()
			if _, err := o.CreateClient(t.Context(), principal.Root, oidcclient.Client{ID: id, Name: id, PKCE: p}); err != nil {
				t.Fatal(err)
			}
		}
		set := func(id string, p oidcclient.PKCE) {
			t.Helper()
			if err := o.UpdateClient(t.Context(), principal.Root, oidcclient.Client{ID: id, PKCE: p}); err != nil {
				t.Fatal(err)
			}
		}
		learn := func(id string) {
			t.Helper()
			if err := o.db.Update(t.Context(), func(tx *db.Tx) error { return oidcclient.LearntPKCE(t.Context(), tx, id) }); err != nil {
				t.Fatal(err)
			}
		}
		make("console", "")
		make("own", oidcclient.PKCERequired)
		if console, own := of("console"), of("own"); console != oidcclient.PKCEUntilUsed || own != oidcclient.PKCERequired {
			t.Errorf("at first %s and %s", console, own)
		}
		learn("console")
		set("console", "")
		if got := of("console"); got != oidcclient.PKCERequired {
			t.Errorf("after it was used: %s", got)
		}
		set("own", oidcclient.PKCEOptional)
		learn("own")
		if got := of("own"); got != oidcclient.PKCEOptional {
			t.Errorf("an administrator's word, after it was used: %s", got)
		}
		if err := o.DeleteClient(t.Context(), principal.Root, "own"); err != nil {
			t.Fatal(err)
		}
		make("own", "")
		if got := of("own"); got != oidcclient.PKCEUntilUsed {
			t.Errorf("another of the same id: %s", got)
		}
	})
}

func lastError(_ oidcclient.Client, err error) error { return err }

func secretOf(t *testing.T, o *office, id string) string {
	t.Helper()
	sealer, err := secret.OpenFor(t.Context(), o.db, secret.File(o.keyFile))
	if err != nil {
		t.Fatal(err)
	}
	c, err := dexstore.New(o.db, sealer).GetClient(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return c.Secret
}

func TestCreateClient_Refused(t *testing.T) {
	o := open(t, dbtest.SQLite(t), nil)
	for name, c := range map[string]struct {
		client oidcclient.Client
		kind   fault.Kind
		field  string
	}{
		"no name":               {oidcclient.Client{ID: "app"}, fault.Invalid, "name"},
		"no id":                 {oidcclient.Client{Name: "App"}, fault.Invalid, "id"},
		"pachctl's own":         {oidcclient.Client{ID: "pachctl", Name: "App"}, fault.Exists, ""},
		"a mask":                {oidcclient.Client{ID: "app", Name: "App", Secret: "***"}, fault.Invalid, "secret"},
		"no URL":                {redirect("app.example.com/cb"), fault.Invalid, "redirect_uris"},
		"a script":              {redirect("javascript:alert(1)"), fault.Invalid, "redirect_uris"},
		"a user":                {redirect("https://pach.example.com@evil.example.com/"), fault.Invalid, "redirect_uris"},
		"a fragment":            {redirect("https://app.example.com/cb#x"), fault.Invalid, "redirect_uris"},
		"an empty fragment":     {redirect("https://app.example.com/cb#"), fault.Invalid, "redirect_uris"},
		"a fragment in a query": {redirect("https://app.example.com/cb?x=1#y"), fault.Invalid, "redirect_uris"},
		"a public one's secret": {public(func(c *oidcclient.Client) { c.Secret = "s3cret" }), fault.Invalid, "secret"},
		"a public one anywhere": {public(func(c *oidcclient.Client) { c.RedirectURIs = nil }), fault.Invalid, "redirect_uris"},
		"public without PKCE":   {public(func(c *oidcclient.Client) { c.PKCE = oidcclient.PKCEOptional }), fault.Invalid, "pkce"},
		"a way back of script": {
			public(func(c *oidcclient.Client) { c.PostLogoutRedirectURIs = []string{"javascript:alert(1)"} }), fault.Invalid, "post_logout_redirect_uris",
		},
		"logouts to a file":   {public(func(c *oidcclient.Client) { c.LogoutURI = new("file:///etc/passwd") }), fault.Invalid, "backchannel_logout_uri"},
		"a control character": {redirect("https://app.example.com/\x00"), fault.Invalid, "redirect_uris"},
	} {
		_, err := o.CreateClient(t.Context(), principal.Root, c.client)
		if !fault.Is(err, c.kind) || fault.FieldOf(err) != c.field {
			t.Errorf("%s: %v at %q, want %s at %q", name, err, fault.FieldOf(err), c.kind, c.field)
		}
	}
	if all, err := o.Clients(t.Context()); err != nil || len(all) != 1 || all[0].ID != "pachd" {
		t.Errorf("stored nevertheless: %v", err)
	}
}

func public(change func(*oidcclient.Client)) oidcclient.Client {
	c := redirect("https://app.example.com/cb")
	c.Public = true
	change(&c)
	return c
}

func TestClients_PublicStaysPublic(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		there := "https://app.example.com/logged-out"
		made, err := o.CreateClient(t.Context(), principal.Root, public(func(c *oidcclient.Client) { c.LogoutURI = &there }))
		if err != nil || made.Secret != "" || secretOf(t, o, "app") != "" {
			t.Fatalf("made %+v, %v", made, err)
		}
		got, err := o.Client(t.Context(), "app")
		if err != nil || !got.Public || got.PKCE != oidcclient.PKCERequired || got.LogoutURI == nil || *got.LogoutURI != there {
			t.Errorf("read %+v, %v", got, err)
		}
		for name, change := range map[string]oidcclient.Client{
			"a secret": {ID: "app", Secret: "s3cret"}, "no PKCE": {ID: "app", PKCE: oidcclient.PKCEOptional},
		} {
			if err := o.UpdateClient(t.Context(), principal.Root, change); !fault.Is(err, fault.Invalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := o.RotateClientSecret(t.Context(), principal.Root, "app"); !fault.Is(err, fault.Invalid) {
			t.Errorf("a new secret: %v", err)
		}
		if err := o.CheckPublic(t.Context(), "app", new(false)); !fault.Is(err, fault.Invalid) {
			t.Errorf("made confidential: %v", err)
		}
		if err := o.CheckPublic(t.Context(), "app", new(true)); err != nil {
			t.Errorf("what it is: %v", err)
		}
		if err := o.UpdateClient(t.Context(), principal.Root, oidcclient.Client{ID: "app", LogoutURI: new("")}); err != nil {
			t.Fatal(err)
		}
		if got, err := o.Client(t.Context(), "app"); err != nil || got.LogoutURI != nil {
			t.Errorf("told to hear nothing: %+v, %v", got, err)
		}
	})
}

func redirect(uri string) oidcclient.Client {
	return oidcclient.Client{ID: "app", Name: "App", RedirectURIs: []string{uri}}
}
