package pachd_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	authpb "pachyderm/api/auth"
	identitypb "pachyderm/api/identity"
	pachpb "pachyderm/api/pach"
	"pachyderm/demo/op/optest"
	"pachyderm/internal/data/blob/dir"
	"pachyderm/internal/data/pack"
	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/db/migrations"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/pachd/pachdtest"
	"pachyderm/internal/secret"
	"pachyderm/test/idp"
)

// prefix is what every value begins with that the primary key of a file seals
// (Tink's wire format: 1, and the key's id in 4 bytes).
func (i installation) prefix(t *testing.T) []byte {
	t.Helper()
	var file struct {
		PrimaryKeyID uint32 `json:"primaryKeyId"`
	}
	edit(t, json.Unmarshal(i.keyFile(t), &file))
	return binary.BigEndian.AppendUint32([]byte{1}, file.PrimaryKeyID)
}

func (i installation) keyFile(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(i.dir, "sealing-key"))
	edit(t, err)
	return data
}

// sealedWith lists the columns of all tables in which some value has a prefix.
func sealedWith(t *testing.T, d *db.DB, prefix []byte) (columns []string) {
	t.Helper()
	tables, err := migrations.Schema(t.Context())
	edit(t, err)
	found := map[string]bool{}
	for _, table := range tables {
		for _, c := range table.Columns {
			if c.Type != "BYTEA" {
				continue
			}
			edit(t, d.View(t.Context(), func(tx *db.Tx) error {
				values, err := db.Column[[]byte](t.Context(), tx, `SELECT `+c.Name+` FROM `+table.Name)
				for _, v := range values {
					if bytes.HasPrefix(v, prefix) {
						found[table.Name+"."+c.Name] = true
					}
				}
				return err
			}))
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// live has something in every place that is sealed.
func live(t *testing.T, s *pachdtest.Server) (session string) {
	t.Helper()
	p := s.Connect()
	session = signInKept(t, s)
	_, err := s.API.Auth.GetOIDCLogin(t.Context(), &authpb.GetOIDCLoginRequest{})
	edit(t, err)
	c := s.Client()
	_, err = s.API.Auth.SetConfiguration(s.Root(), &authpb.SetConfigurationRequest{Configuration: c})
	edit(t, err)
	_, _, _, err = s.Issuer.StartTest(t.Context(), registry.Operator(), registry.Connector{ID: "tested", Name: "Tested", Type: "oidc", Config: map[string]any{
		"issuer": p.Issuer, "clientID": p.ClientID, "clientSecret": p.ClientSecret, "redirectURI": s.Issuer.Callback(),
	}})
	edit(t, err)
	_, err = s.API.Pach.CreateSetupLink(s.Root(), &pachpb.CreateSetupLinkRequest{ConnectorId: "sent", Name: "Sent", Type: "oidc"})
	edit(t, err)
	storeBlob(t, s)
	return session
}

// storeBlob has a pack be there, with a key of its own.
func storeBlob(t *testing.T, s *pachdtest.Server) {
	t.Helper()
	store, err := dir.Open(t.TempDir(), time.Now())
	edit(t, err)
	sealer, err := secret.OpenUsed(t.Context(), s.DB, secret.File(filepath.Join(s.DataDir, "sealing-key")))
	edit(t, err)
	packs, err := pack.New(t.Context(), pack.Options{DB: s.DB, Store: store, Sealer: sealer, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	edit(t, err)
	w := packs.Writer(t.Context())
	defer w.Close()
	_, err = w.Put(t.Context(), []byte("of a file"))
	edit(t, err)
	edit(t, w.Flush(t.Context()))
}

// signInKept signs Alice in, and has all that is kept of it written by its end.
func signInKept(t *testing.T, s *pachdtest.Server) (session string) {
	t.Helper()
	session = s.Alice()
	edit(t, s.Issuer.Traces.Flush(t.Context()))
	return session
}

// sealOn has a replica open what others have sealed, and seal an OIDC client.
func sealOn(t *testing.T, s *pachdtest.Server, id string) {
	t.Helper()
	got, err := s.API.Identity.GetIDPConnector(s.Root(), &identitypb.GetIDPConnectorRequest{Id: "demo"})
	edit(t, err)
	if got.GetConnector().GetName() != "Demo" {
		t.Errorf("%v", got)
	}
	_, err = s.API.Identity.CreateOIDCClient(s.Root(), &identitypb.CreateOIDCClientRequest{Client: &identitypb.OIDCClient{
		Id: id, Name: id, RedirectUris: []string{"https://" + id + ".example.com/callback"},
	}})
	edit(t, err)
}

// awaitReload waits until a pachd has read its key file so many times again.
func awaitReload(s *pachdtest.Server, times int) {
	for strings.Count(s.Log.String(), "the sealing key was read again") < times {
		time.Sleep(10 * time.Millisecond)
	}
}

// Two replicas go on while the sealing key is replaced, and nobody needs the old one
// afterwards.
func TestSealingKey_RotatesWithoutAPause(t *testing.T) {
	t.Parallel()
	url := dbtest.PostgresURL(t)
	first, second := installation{t.TempDir(), url}, installation{t.TempDir(), url}
	a := first.start(t)
	second.takes(t, first, "sealing-key", "root-token")
	b := second.start(t)
	session := live(t, a)
	before, old := sealedWith(t, a.DB, first.prefix(t)), first.prefix(t)
	want := []string{
		"connector_revisions.config", "connector_trials.body", "dex_objects.body", "grants.body", "login_attempts.secrets", "meta.value", "oidc_config.body",
		"packs.key_sealed", "setup_links.body", "sign_in_traces.body",
	}
	if diff := cmp.Diff(want, before); diff != "" {
		t.Fatalf("sealed before (-want +got):\n%s", diff)
	}
	dump := filepath.Join(t.TempDir(), "old.dump")
	first.must(t, "export", "--online", dump)

	edit(t, os.Remove(filepath.Join(first.dir, "root-token"))) // which is not asked for
	for n, step := range []string{"add", "use", "remove"} {
		said := first.must(t, "sealing-key", step)
		if !strings.Contains(said, "Copy the file to every replica") {
			t.Errorf("%s says: %s", step, said)
		}
		awaitReload(a, n+1)
		if who, err := whoAmI(t, a, signInKept(t, a)); who != pachdtest.Alice || err != nil {
			t.Errorf("after %s, where it was run: %s, %v", step, who, err)
		}
		if step == "use" { // the other replica still seals with the old key
			sealOn(t, b, "behind")
			for !strings.Contains(b.Log.String(), "seals with an older key than the database has in use") {
				time.Sleep(10 * time.Millisecond)
			}
			first.refused(t, []string{"sealing-key", "remove"}, "sealed with another key than the new one", "pachd sealing-key use")
		}
		second.takes(t, first, "sealing-key")
		awaitReload(b, n+1)
		sealOn(t, b, "after-"+step)
		if step == "use" {
			first.must(t, "sealing-key", "use")
		}
	}
	if left := sealedWith(t, a.DB, old); len(left) > 0 {
		t.Errorf("the old key is still needed for %v", left)
	}
	if diff := cmp.Diff(want, sealedWith(t, a.DB, first.prefix(t))); diff != "" {
		t.Errorf("sealed with the new key (-want +got):\n%s", diff)
	}
	third := installation{t.TempDir(), url}
	third.takes(t, second, "sealing-key", "root-token")
	c := third.start(t)
	if who, err := whoAmI(t, c, session); who != pachdtest.Alice || err != nil {
		t.Errorf("the session from before: %s, %v", who, err)
	}
	sealOn(t, c, "third")

	// The dump from before needs the file from before.
	restored := newInstallation(t, "sqlite")
	restored.takes(t, first, "sealing-key")
	restored.refused(t, []string{"import", dump}, "sealing key")
	edit(t, os.Rename(filepath.Join(first.dir, "sealing-key.old"), filepath.Join(restored.dir, "sealing-key")))
	restored.must(t, "import", dump)
	edit(t, os.Remove(filepath.Join(restored.dir, "sealing-key")))
	restored.refused(t, []string{"sealing-key", "use"}, "is missing")
}

// A key that an operator has made becomes one of a keyset, and goes.
func TestSealingKey_OfAnOperator(t *testing.T) {
	t.Parallel()
	i := newInstallation(t, "sqlite")
	raw := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	edit(t, os.WriteFile(filepath.Join(i.dir, "sealing-key"), []byte(raw+"\n"), 0o600))
	s := i.start(t)
	s.Connect()
	session := signInKept(t, s)
	for n, step := range []string{"add", "use", "remove"} {
		i.must(t, "sealing-key", step)
		awaitReload(s, n+1)
		if who, err := whoAmI(t, s, signInKept(t, s)); who != pachdtest.Alice || err != nil {
			t.Errorf("after %s: %s, %v", step, who, err)
		}
	}
	s.Stop()
	s = i.start(t)
	if who, err := whoAmI(t, s, session); who != pachdtest.Alice || err != nil {
		t.Errorf("after a start: %s, %v", who, err)
	}
	if strings.Contains(string(i.keyFile(t)), raw) || strings.Contains(s.Log.String(), raw) {
		t.Error("the old key is still in the file, or in the log")
	}
}

func TestSealingKey_Refused(t *testing.T) {
	t.Parallel()
	i := newInstallation(t, "sqlite")
	i.refused(t, []string{"sealing-key", "add"}, "is missing")
	s := i.start(t)
	s.Connect()
	before := i.keyFile(t)
	i.refused(t, []string{"sealing-key", "use"}, "has no second key", "pachd sealing-key add")
	i.refused(t, []string{"sealing-key", "remove"}, "has no old key")
	if !bytes.Equal(before, i.keyFile(t)) {
		t.Error("what was refused has changed the file")
	}
	i.must(t, "sealing-key", "add")
	i.refused(t, []string{"sealing-key", "add"}, "has a second key already", "pachd sealing-key use")
	i.refused(t, []string{"sealing-key", "remove"}, "is not in use yet", "pachd sealing-key use")
	i.must(t, "sealing-key", "use")
	i.must(t, "sealing-key", "use")
	old := filepath.Join(i.dir, "sealing-key.old")
	edit(t, os.WriteFile(old, []byte("of the time before"), 0o600))
	i.refused(t, []string{"sealing-key", "remove"}, "sealing-key.old exists")
	edit(t, os.Remove(old))
	i.must(t, "sealing-key", "remove")

	// What no key opens stops it, and says where.
	s.Update(func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE connector_revisions SET config = $1`, []byte("nobody's"))
		return err
	})
	i.must(t, "sealing-key", "add")
	i.refused(t, []string{"sealing-key", "use"}, "connector_revisions", "sealed with none of the keys")
}

// A key that cannot be recorded as used, in a database that it is of, is not used.
func TestSealingKey_UsedOnceItIsRecorded(t *testing.T) {
	t.Parallel()
	i := newInstallation(t, "sqlite")
	s := i.start(t)
	i.must(t, "sealing-key", "add")
	before := i.keyFile(t)
	s.Update(func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE meta SET value = $1 WHERE key = 'sealing-check'`, []byte("another's"))
		return err
	})
	i.refused(t, []string{"sealing-key", "use"}, "is not the one")
	if !bytes.Equal(before, i.keyFile(t)) {
		t.Error("the new key seals, and nobody has recorded it")
	}
}

// A key file that is spoilt under a pachd that runs is told of, and changes nothing.
func TestSealingKey_SpoiltWhileItRuns(t *testing.T) {
	for name, spoil := range map[string]struct {
		with func(path string) error
		want string
	}{
		"garbage": {func(path string) error { return os.WriteFile(path, []byte("{"), 0o600) }, "is not a sealing key"},
		"away":    {os.Remove, "is missing"},
		"of another": {func(path string) error {
			return os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(make([]byte, 32))), 0o600)
		}, "is not the one"},
		"for anybody": {func(path string) error { return os.Chmod(path, 0o644) }, "can be read or written by others"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := pachdtest.Start(t)
			s.Connect()
			edit(t, spoil.with(filepath.Join(s.DataDir, "sealing-key")))
			for !strings.Contains(s.Log.String(), spoil.want) {
				time.Sleep(10 * time.Millisecond)
			}
			if who, err := whoAmI(t, s, signInKept(t, s)); who != pachdtest.Alice || err != nil {
				t.Errorf("%s, %v", who, err)
			}
			if n := strings.Count(s.Log.String(), spoil.want); n != 1 {
				t.Errorf("it is told %d times", n)
			}
		})
	}
}

// What groups are read again with goes along, and reads them afterwards.
func TestSealingKey_OfWhatReadsGroups(t *testing.T) {
	t.Parallel()
	l := idp.StartOpenLDAP(t, idp.OpenLDAPOptions{})
	i := newInstallation(t, "sqlite")
	s := i.start(t)
	edit(t, s.Issuer.Registry.CreateConnector(t.Context(), registry.Operator(), registry.Connector{ID: "ldap", Name: "LDAP", Type: "ldap", Config: map[string]any{
		"host": l.LDAPS, "rootCAData": string(l.CA.PEM), "bindDN": l.BindDN, "bindPW": l.BindPassword,
		"userSearch":  map[string]any{"baseDN": l.PeopleDN, "username": "uid"},
		"groupSearch": map[string]any{"baseDN": l.GroupsDN, "userMatchers": []any{map[string]any{"userAttr": "DN", "groupAttr": "member"}}},
	}}))
	start, err := s.API.Auth.GetOIDCLogin(t.Context(), &authpb.GetOIDCLoginRequest{})
	edit(t, err)
	waiting := s.Wait(start.GetState())
	b := optest.NewBrowser(t, func(*url.URL) bool { return false })
	asked := b.Submit(b.Get(start.GetLoginUrl()), map[string]string{"login": idp.Alice.Name, "password": idp.Alice.Password})
	b.Submit(asked, map[string]string{"answer": "yes"})
	session := <-waiting
	edit(t, s.Issuer.Traces.Flush(t.Context()))
	for n, step := range []string{"add", "use", "remove"} {
		i.must(t, "sealing-key", step)
		awaitReload(s, n+1)
	}
	if !slices.Contains(sealedWith(t, s.DB, i.prefix(t)), "identities.group_data") {
		t.Error("it is not sealed with the new key")
	}
	l.Modify("dn: cn=admins," + l.GroupsDN + "\nchangetype: modify\nreplace: member\nmember: cn=nobody\n")
	s.Ahead(16 * time.Minute)
	for slices.Contains(s.Users()["user:"+idp.Alice.Email].GetGroups(), "group:admins") {
		if _, err := whoAmI(t, s, session); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
