package idp

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Weird is in the OpenLDAP directory: each character of the name means something
// in a filter or in a distinguished name.
var Weird = Person{Name: `we(ird)*\,+"<>;=#/é`, Password: "weird-4", Email: "weird@example.com", Groups: []string{"developers"}}

// OpenLDAP is a directory. The group everyone has the group developers as its
// member. Carol has employeeType left, everybody else staff.
type OpenLDAP struct {
	*process

	Plain string // host:port without TLS, or with StartTLS
	LDAPS string // host:port with TLS
	CA    *CA

	BaseDN, PeopleDN, GroupsDN string
	BindDN, BindPassword       string // may search, which nobody else may
	AdminDN, AdminPassword     string
	People                     []Person
}

// OpenLDAPOptions are how a directory differs from a good one.
type OpenLDAPOptions struct {
	CA          *CA          // nil for a new one
	Certificate *Certificate // nil for a valid one of the CA
	// EmptyPassword has a name without a password bind successfully, as nobody,
	// which is what Active Directory does.
	EmptyPassword bool
	More          []Person // beside those that are always there
}

// StartOpenLDAP runs slapd.
func StartOpenLDAP(tb testing.TB, o OpenLDAPOptions) *OpenLDAP {
	tb.Helper()
	const slapd, slapadd = "/usr/sbin/slapd", "/usr/sbin/slapadd"
	need(tb, slapd, slapadd, "/usr/bin/ldapmodify", "/usr/lib/ldap/back_mdb.so")
	if o.CA == nil {
		o.CA = NewCA(tb)
	}
	if o.Certificate == nil {
		c := o.CA.Certificate(tb)
		o.Certificate = &c
	}
	const base = "dc=example,dc=com"
	l := &OpenLDAP{
		Plain: FreeAddress(tb), LDAPS: FreeAddress(tb), CA: o.CA,
		BaseDN: base, PeopleDN: "ou=people," + base, GroupsDN: "ou=groups," + base,
		BindDN: "cn=search," + base, BindPassword: "search-secret", AdminDN: "cn=admin," + base, AdminPassword: "admin-secret",
		People: append([]Person{Alice, Bob, Carol, Weird}, o.More...),
	}
	dir := tb.TempDir()
	config := write(tb, filepath.Join(dir, "slapd.conf"), l.config(dir, o))
	if err := os.Mkdir(filepath.Join(dir, "db"), 0o700); err != nil {
		tb.Fatal(err)
	}
	run(tb, "", slapadd, "-q", "-f", config, "-l", write(tb, filepath.Join(dir, "seed.ldif"), l.seed()))
	l.process = &process{
		tb: tb, dir: dir, ready: listening(l.Plain, l.LDAPS),
		// Without -d it would leave the test's process group.
		args: []string{slapd, "-d", "0", "-f", config, "-h", "ldap://" + l.Plain + " ldaps://" + l.LDAPS},
	}
	tb.Cleanup(l.Stop)
	l.Start()
	return l
}

// Modify changes the directory while it runs; ldif is what ldapmodify reads.
func (l *OpenLDAP) Modify(ldif string) {
	l.tb.Helper()
	run(l.tb, ldif, "/usr/bin/ldapmodify", "-x", "-H", "ldap://"+l.Plain, "-D", l.AdminDN, "-w", l.AdminPassword)
}

// DN is a person's distinguished name.
func (l *OpenLDAP) DN(p Person) string { return "uid=" + escapeDN(p.Name) + "," + l.PeopleDN }

func (l *OpenLDAP) config(dir string, o OpenLDAPOptions) string {
	allow := ""
	if o.EmptyPassword {
		allow = "allow bind_anon_dn\n"
	}
	return fmt.Sprintf(`include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile %[1]s/slapd.pid
TLSCACertificateFile %[2]s
TLSCertificateFile %[3]s
TLSCertificateKeyFile %[4]s
%[5]sdatabase mdb
maxsize 67108864
suffix "%[6]s"
rootdn "%[7]s"
rootpw %[8]s
directory %[1]s/db
index objectClass,uid,mail,member eq
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="%[9]s" read by anonymous auth by * none
`, dir, o.CA.File, o.Certificate.CertFile, o.Certificate.KeyFile, allow, l.BaseDN, l.AdminDN, l.AdminPassword, l.BindDN)
}

func (l *OpenLDAP) seed() string {
	var b strings.Builder
	entry(&b, l.BaseDN, "objectClass", "dcObject", "objectClass", "organization", "dc", "example", "o", "Example")
	entry(&b, l.PeopleDN, "objectClass", "organizationalUnit", "ou", "people")
	entry(&b, l.GroupsDN, "objectClass", "organizationalUnit", "ou", "groups")
	entry(&b, l.BindDN, "objectClass", "organizationalRole", "objectClass", "simpleSecurityObject", "cn", "search", "userPassword", l.BindPassword)
	dn := map[string]string{}
	for _, p := range l.People {
		dn[p.Name] = l.DN(p)
		employed := "staff"
		if p.Name == Carol.Name {
			employed = "left"
		}
		entry(&b, dn[p.Name], "objectClass", "inetOrgPerson", "uid", p.Name, "cn", display(p), "sn", "Example", "displayName", display(p),
			"mail", p.Email, "employeeType", employed, "userPassword", p.Password)
	}
	for _, group := range []string{"admins", "developers"} {
		values := []string{"objectClass", "groupOfNames", "cn", group}
		for _, name := range members(l.People, group) {
			values = append(values, "member", dn[name])
		}
		entry(&b, "cn="+group+","+l.GroupsDN, values...)
	}
	entry(&b, "cn=everyone,"+l.GroupsDN, "objectClass", "groupOfNames", "cn", "everyone", "member", "cn=developers,"+l.GroupsDN)
	return b.String()
}

// entry writes LDIF, everything in base64, which is right for any value.
func entry(b *strings.Builder, dn string, namesAndValues ...string) {
	line := func(name, value string) {
		fmt.Fprintf(b, "%s:: %s\n", name, base64.StdEncoding.EncodeToString([]byte(value)))
	}
	line("dn", dn)
	for pair := range slices.Chunk(namesAndValues, 2) {
		line(pair[0], pair[1])
	}
	b.WriteByte('\n')
}

// escapeDN escapes a value for a distinguished name as in RFC 4514, also where
// the RFC demands it only in some places.
func escapeDN(value string) string {
	var b strings.Builder
	for _, r := range value {
		if strings.ContainsRune(`,+"\<>;=# `, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
