package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pachyderm/demo/op/optest"
	"pachyderm/test/idp"
)

// pachd starts, and signs people in, whatever half of its providers do.
func TestProviders_HalfInTrouble(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ca := idp.NewCA(t)
	create := func(id string, config map[string]any) {
		t.Helper()
		text := strings.Replace(document("oidc", config)(h.daemon), `"id":"idp"`, fmt.Sprintf(`"id":%q`, id), 1)
		if out, err := h.create(text); err != nil {
			t.Fatal(out)
		}
	}
	troubled := map[idp.Trouble]*idp.Troubled{}
	for n, trouble := range []idp.Trouble{idp.Hangs, idp.Garbage, idp.Outdated, idp.AnotherIssuer, "refuses"} {
		p := idp.StartTroubled(t, ca)
		troubled[trouble] = p
		create(fmt.Sprintf("bad-%d", n), map[string]any{"issuer": p.Issuer, "clientID": "c", "clientSecret": "s", "rootCAs": []any{ca.File}})
		well := optest.Start(t, h.callback())
		create(fmt.Sprintf("well-%d", n), map[string]any{"issuer": well.Issuer, "clientID": well.ClientID, "clientSecret": well.ClientSecret})
	}
	start := func() time.Duration {
		h.kill()
		began := time.Now()
		h.start()
		return time.Since(began)
	}
	before := start()
	for trouble, p := range troubled {
		if trouble == "refuses" {
			p.Stop()
		} else {
			p.Fall(trouble)
		}
	}
	t.Logf("ready after %s, and after %s with half of the providers in trouble", before, start())
	who := func(email, password string) idp.Person {
		return idp.Person{Name: email, Email: email, Password: password}
	}
	h.begin("well-0", newClient(t)).succeeds(who(optest.Alice.Email, optest.Alice.Password), nil)
	h.begin("well-4", newClient(t)).succeeds(who(optest.Bob.Email, optest.Bob.Password), nil)
	for n, reason := range []string{"", "discovery document", "expired", "issuer mismatch", "cannot be reached"} {
		a := h.begin(fmt.Sprintf("bad-%d", n), newClient(t))
		if _, err := a.as(idp.Alice); err != nil {
			t.Errorf("bad-%d: %v", n, err)
		}
		a.ends(reason)
	}
	if out := h.root.run("", "idp", "list-connector"); !strings.Contains(out, "bad-4") || !strings.Contains(out, "well-0") {
		t.Errorf("pachctl idp list-connector says:\n%s", out)
	}
}

// A secret that stands in a file is the one that the file has when it is needed.
func TestSecretFile_ReadAgain(t *testing.T) {
	t.Parallel()
	l := idp.StartOpenLDAP(t, idp.OpenLDAPOptions{})
	h := newHouse(t)
	file := filepath.Join(h.dir, "secrets", "bind-password") // the folder that needs no setting
	if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(l.BindPassword)
	reference := "${file:" + file + "}"
	config := with(ldapConfig(l), map[string]any{"host": l.LDAPS, "rootCAData": string(l.CA.PEM), "bindPW": reference})
	out, err := h.create(document("ldap", with(config, map[string]any{"bindPW": "${file:" + h.dir + "/root-token}"}))(h.daemon))
	if err == nil || !strings.Contains(out, "bindPW") || !strings.Contains(out, "may not be used") {
		t.Errorf("pachd's own file: %v\n%s", err, out)
	}
	h.connect(document("ldap", config)(h.daemon))
	if out := h.root.run("", "idp", "get-connector", "idp"); !strings.Contains(out, reference) || strings.Contains(out, l.BindPassword) {
		t.Errorf("pachctl idp get-connector says:\n%s", out)
	}
	groups := []string{"admins", "developers", "everyone"}
	h.begin("idp", newClient(t)).succeeds(idp.Alice, groups)
	l.Modify("dn: " + l.BindDN + "\nchangetype: modify\nreplace: userPassword\nuserPassword: a-new-secret\n")
	a := h.begin("idp", newClient(t))
	if _, err := a.as(idp.Alice); err != nil {
		t.Error(err)
	}
	a.ends("bindDN or bindPW")
	write("a-new-secret")
	h.begin("idp", newClient(t)).succeeds(idp.Alice, groups)
	if strings.Contains(h.output.String(), "a-new-secret") || strings.Contains(h.output.String(), l.BindPassword) {
		t.Error("the secret is in the log")
	}
}
