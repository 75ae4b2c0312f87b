package idp

import (
	_ "embed" // the script
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// Samba is a domain controller as of Active Directory. Common names have a comma
// in them. The group everyone has the group developers as its member, which the
// matching rule 1.2.840.113556.1.4.1941 (LDAP_MATCHING_RULE_IN_CHAIN) sees. The
// account of carol is disabled. It takes no password without TLS.
type Samba struct {
	*process

	Plain  string // host:port for StartTLS
	LDAPS  string // host:port with TLS
	CA     *CA
	Realm  string // AD.EXAMPLE.COM; a userPrincipalName is the name @ad.example.com
	BaseDN string

	UsersDN                string // also of the groups
	BindDN, BindPassword   string
	AdminDN, AdminPassword string
	People                 []Person
}

//go:embed samba.py
var sambaSeed string

// StartSamba makes a domain and runs its controller; nil is for a new CA. Only
// root can: the ports are fixed.
func StartSamba(tb testing.TB, ca *CA) *Samba {
	tb.Helper()
	const samba, tool, python = "/usr/sbin/samba", "/usr/bin/samba-tool", "/usr/bin/python3"
	need(tb, samba, tool, python, "/usr/share/samba/setup/ad-schema")
	if os.Geteuid() != 0 {
		tb.Fatal("a domain controller listens on ports below 1024: run the test as root")
	}
	if ca == nil {
		ca = NewCA(tb)
	}
	// An address of its own, because the ports cannot be chosen.
	host := fmt.Sprintf("127.%d.%d.%d", 64+rand.N(128), rand.N(256), 1+rand.N(254)) //nolint:gosec // an address is no secret
	const base = "DC=ad,DC=example,DC=com"
	s := &Samba{
		Plain: host + ":389", LDAPS: host + ":636", CA: ca, Realm: "AD.EXAMPLE.COM", BaseDN: base, UsersDN: "CN=Users," + base,
		BindDN: "CN=search,CN=Users," + base, BindPassword: "search-secret",
		AdminDN: "CN=Administrator,CN=Users," + base, AdminPassword: "Admin-secret.1", People: []Person{Alice, Bob, Carol},
	}
	// Its sockets have a limit on the length of their paths.
	dir, err := os.MkdirTemp("", "idp-") //nolint:usetesting // TempDir is too long for a socket
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	run(tb, "", python, tool, "domain", "provision", "--targetdir="+dir, "--realm="+s.Realm, "--domain=EXAMPLE", "--server-role=dc",
		"--dns-backend=NONE", "--adminpass="+s.AdminPassword, "--host-name=dc1", "--host-ip="+host)
	config := write(tb, filepath.Join(dir, "etc", "smb.conf"), s.config(dir, host, ca.Certificate(tb, host)))
	privileged := filepath.Join(dir, "state", "winbindd_privileged")
	for _, d := range []string{privileged, filepath.Join(dir, "lock"), filepath.Join(dir, "run"), filepath.Join(dir, "cache"), filepath.Join(dir, "log")} {
		if err := os.MkdirAll(d, 0o750); err != nil {
			tb.Fatal(err)
		}
	}
	seed := write(tb, filepath.Join(dir, "seed.py"), sambaSeed)
	run(tb, encode(tb, map[string]any{
		"People": s.People, "Search": "search", "SearchPassword": s.BindPassword, "Disabled": Carol.Name,
	}), python, seed, config, filepath.Join(dir, "private", "sam.ldb"))
	s.process = &process{
		tb: tb, dir: dir, ready: listening(s.Plain, s.LDAPS),
		args: []string{samba, "--foreground", "--no-process-group", "--model=single", "--configfile=" + config, "--debug-stdout", "-d1"},
	}
	tb.Cleanup(s.Stop)
	s.Start()
	return s
}

// DN is a person's distinguished name.
func (s *Samba) DN(p Person) string {
	return "CN=Example\\, " + display(p)[:len(p.Name)] + "," + s.UsersDN
}

// Modify changes the directory while it runs; ldif is what ldapmodify reads.
func (s *Samba) Modify(ldif string) {
	s.tb.Helper()
	run(s.tb, ldif, "/usr/bin/env", "LDAPTLS_CACERT="+s.CA.File, "/usr/bin/ldapmodify", "-x", "-H", "ldaps://"+s.LDAPS, "-D", s.AdminDN, "-w", s.AdminPassword)
}

func (s *Samba) config(dir, host string, c Certificate) string {
	return fmt.Sprintf(`[global]
	netbios name = DC1
	realm = %[1]s
	workgroup = EXAMPLE
	server role = active directory domain controller
	server services = ldap, kdc
	disable netbios = yes
	interfaces = %[2]s/8
	bind interfaces only = yes
	private dir = %[3]s/private
	state directory = %[3]s/state
	cache directory = %[3]s/cache
	lock directory = %[3]s/lock
	pid directory = %[3]s/run
	ncalrpc dir = %[3]s/run/ncalrpc
	ntp signd socket directory = %[3]s/run/ntp
	winbindd socket directory = %[3]s/run/winbindd
	nsupdate command = /bin/true
	log file = %[3]s/log/samba.log
	tls enabled = yes
	tls certfile = %[4]s
	tls keyfile = %[5]s
	tls cafile = %[6]s
	ldap server require strong auth = yes
`, s.Realm, host, dir, c.CertFile, c.KeyFile, s.CA.File)
}
