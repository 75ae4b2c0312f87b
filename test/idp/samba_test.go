package idp_test

import (
	"slices"
	"strings"
	"testing"

	"pachyderm/test/idp"
)

func TestSamba(t *testing.T) {
	t.Parallel()
	s := idp.StartSamba(t, nil)
	starttls, ldaps := "ldap://"+s.Plain, "ldaps://"+s.LDAPS
	for _, p := range s.People {
		found, err := search(t, s.CA, ldaps, s.BindDN, s.BindPassword, s.UsersDN,
			"(&(sAMAccountName="+p.Name+")(userPrincipalName="+p.Name+"@ad.example.com)(mail="+p.Email+"))")
		if err != nil || !slices.Equal(found, []string{s.DN(p)}) {
			t.Errorf("%s is %v, %v", p.Name, found, err)
		}
		_, err = search(t, s.CA, starttls, s.DN(p), p.Password, "", "(objectClass=*)", "-ZZ", "-s", "base")
		if disabled := p.Name == idp.Carol.Name; disabled != (err != nil) {
			t.Errorf("%s binds: %v", p.Name, err)
		}
		if _, err := search(t, s.CA, ldaps, s.DN(p), "wrong", "", "(objectClass=*)", "-s", "base"); err == nil {
			t.Errorf("%s binds with a wrong password", p.Name)
		}
		nested, err := search(t, s.CA, ldaps, s.BindDN, s.BindPassword, s.UsersDN,
			"(&(objectClass=group)(member:1.2.840.113556.1.4.1941:="+strings.ReplaceAll(s.DN(p), `\`, `\5c`)+"))")
		if want := len(p.Groups) + 1; err != nil || len(nested) != want {
			t.Errorf("%s is in %v, %v", p.Name, nested, err)
		}
	}
	if _, err := search(t, s.CA, starttls, s.BindDN, s.BindPassword, "", "(objectClass=*)", "-s", "base"); err == nil {
		t.Error("a password is taken without TLS")
	}
	s.Modify("dn: CN=admins," + s.UsersDN + "\nchangetype: modify\nadd: member\nmember: " + s.DN(idp.Bob) + "\n")
	s.Stop()
	if _, err := search(t, s.CA, ldaps, s.BindDN, s.BindPassword, s.UsersDN, "(sAMAccountName=alice)"); err == nil {
		t.Error("it still answers")
	}
	s.Start()
	found, err := search(t, s.CA, ldaps, s.BindDN, s.BindPassword, s.UsersDN, "(&(objectClass=group)(member="+strings.ReplaceAll(s.DN(idp.Bob), `\`, `\5c`)+"))")
	if err != nil || len(found) != 2 {
		t.Errorf("bob is in %v, %v", found, err)
	}
}
