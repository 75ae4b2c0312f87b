package idp_test

import (
	"encoding/base64"
	"os"
	"os/exec"
	"strings"
	"testing"

	"pachyderm/test/idp"
)

// search runs ldapsearch as somebody and returns the distinguished names found.
func search(t *testing.T, ca *idp.CA, address, dn, password, base, filter string, more ...string) ([]string, error) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "/usr/bin/ldapsearch", append([]string{
		"-x", "-LLL", "-o", "ldif-wrap=no", "-H", address, "-D", dn, "-w", password, "-b", base,
	}, append(more, filter, "dn")...)...)
	c.Env = append(os.Environ(), "LDAPTLS_CACERT="+ca.File, "LDAPTLS_REQCERT=demand")
	out, err := c.Output()
	var found []string
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if dn, ok := strings.CutPrefix(line, "dn: "); ok {
			found = append(found, dn)
		} else if dn, ok := strings.CutPrefix(line, "dn:: "); ok {
			text, err := base64.StdEncoding.DecodeString(dn)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, string(text))
		}
	}
	return found, err
}

func TestOpenLDAP(t *testing.T) {
	t.Parallel()
	l := idp.StartOpenLDAP(t, idp.OpenLDAPOptions{})
	for _, at := range [][]string{{"ldap://" + l.Plain}, {"ldap://" + l.Plain, "-ZZ"}, {"ldaps://" + l.LDAPS}} {
		found, err := search(t, l.CA, at[0], l.BindDN, l.BindPassword, l.PeopleDN, "(&(uid=*)(employeeType=staff))", at[1:]...)
		if err != nil || len(found) != 3 {
			t.Errorf("%v: found %v, %v", at, found, err)
		}
	}
	for _, p := range l.People {
		if _, err := search(t, l.CA, "ldap://"+l.Plain, l.DN(p), p.Password, "", "(objectClass=*)", "-s", "base"); err != nil {
			t.Errorf("%s cannot bind: %v", l.DN(p), err)
		}
		if _, err := search(t, l.CA, "ldap://"+l.Plain, l.DN(p), "wrong", "", "(objectClass=*)", "-s", "base"); err == nil {
			t.Errorf("%s binds with a wrong password", l.DN(p))
		}
		if found, _ := search(t, l.CA, "ldap://"+l.Plain, l.DN(p), p.Password, l.PeopleDN, "(uid=*)"); len(found) > 0 {
			t.Errorf("%s may search and finds %v", l.DN(p), found)
		}
	}
	if found, _ := search(t, l.CA, "ldap://"+l.Plain, "", "", l.PeopleDN, "(uid=*)"); len(found) > 0 {
		t.Errorf("nobody may search and finds %v", found)
	}
	found, err := search(t, l.CA, "ldap://"+l.Plain, l.BindDN, l.BindPassword, l.PeopleDN, `(uid=we\28ird\29\2a\5c,+"<>;=#/é)`)
	if err != nil || len(found) != 1 {
		t.Errorf("a name of special characters: found %v, %v", found, err)
	}
	for _, member := range []string{l.DN(idp.Bob), l.DN(idp.Weird), "cn=developers," + l.GroupsDN} {
		filter := strings.NewReplacer(`\`, `\5c`, `(`, `\28`, `)`, `\29`, `*`, `\2a`).Replace(member)
		found, err := search(t, l.CA, "ldap://"+l.Plain, l.BindDN, l.BindPassword, l.GroupsDN, "(member="+filter+")")
		if err != nil || len(found) != 1 {
			t.Errorf("groups of %s: %v, %v", member, found, err)
		}
	}
}

func TestOpenLDAP_AwayForAWhile(t *testing.T) {
	t.Parallel()
	l := idp.StartOpenLDAP(t, idp.OpenLDAPOptions{})
	l.Modify("dn: cn=admins," + l.GroupsDN + "\nchangetype: modify\nadd: member\nmember: " + l.DN(idp.Bob) + "\n")
	l.Stop()
	if _, err := search(t, l.CA, "ldap://"+l.Plain, l.BindDN, l.BindPassword, l.PeopleDN, "(uid=alice)"); err == nil {
		t.Error("it still answers")
	}
	l.Start()
	found, err := search(t, l.CA, "ldaps://"+l.LDAPS, l.BindDN, l.BindPassword, l.GroupsDN, "(member="+l.DN(idp.Bob)+")")
	if err != nil || len(found) != 2 {
		t.Errorf("found %v, %v", found, err)
	}
}

func TestOpenLDAP_StartedBadly(t *testing.T) {
	t.Parallel()
	ca := idp.NewCA(t)
	expired := ca.Expired(t)
	l := idp.StartOpenLDAP(t, idp.OpenLDAPOptions{CA: ca, Certificate: &expired, EmptyPassword: true})
	if _, err := search(t, l.CA, "ldaps://"+l.LDAPS, l.BindDN, l.BindPassword, l.PeopleDN, "(uid=alice)"); err == nil {
		t.Error("an expired certificate is taken")
	}
	if _, err := search(t, l.CA, "ldap://"+l.Plain, l.DN(idp.Alice), "", "", "(objectClass=*)", "-s", "base"); err != nil {
		t.Errorf("an empty password does not bind: %v", err)
	}
}
