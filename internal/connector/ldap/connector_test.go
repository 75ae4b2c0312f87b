package ldap

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	dexconn "github.com/dexidp/dex/connector"
	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/claimlog"
	"pachyderm/internal/connector/probe"
	"pachyderm/internal/fault"
	"pachyderm/internal/strict"
	"pachyderm/test/idp"
)

// of is the configuration of a directory, over LDAPS.
func of(l *idp.OpenLDAP) Config {
	return Config{
		Host: l.LDAPS, RootCAData: string(l.CA.PEM), BindDN: l.BindDN, BindPW: l.BindPassword,
		UserSearch: userSearch{
			BaseDN: l.PeopleDN, Filter: "(employeeType=staff)", Username: strict.Texts{"uid"}, IDAttr: "uid", EmailAttr: "mail",
			NameAttr: "displayName", PreferredUsernameAttr: "cn",
		},
		GroupSearch: groupSearch{
			BaseDN: l.GroupsDN, Filter: "(objectClass=groupOfNames)",
			UserMatchers: []userMatcher{{UserAttr: "DN", GroupAttr: "member", RecursionGroupAttr: "member"}},
		},
	}
}

func open(t *testing.T, c Config, changes ...func(*Config)) *Connector {
	t.Helper()
	c.GroupSearch.UserMatchers = slices.Clone(c.GroupSearch.UserMatchers)
	for _, change := range changes {
		change(&c)
	}
	conn, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// login is for names and passwords that are good.
func login(t *testing.T, c *Connector, name, password string) dexconn.Identity {
	t.Helper()
	id, valid, err := c.Login(t.Context(), dexconn.Scopes{Groups: true, OfflineAccess: true}, name, password)
	if err != nil || !valid {
		t.Fatalf("%s: %v, %v", name, valid, err)
	}
	slices.Sort(id.Groups)
	return id
}

// fails says that a login is an error of a kind, at a key and with these words.
func fails(t *testing.T, c *Connector, name string, kind fault.Kind, field string, words ...string) {
	t.Helper()
	id, valid, err := c.Login(t.Context(), dexconn.Scopes{}, name, idp.Alice.Password)
	if valid || id.UserID != "" || !fault.Is(err, kind) || field != "" && fault.FieldOf(err) != "config."+field {
		t.Errorf("%s: %v, %v, %v at %q; want it at %q", name, id, valid, err, fault.FieldOf(err), field)
		return
	}
	for _, w := range words {
		if !strings.Contains(fault.Message(err), w) {
			t.Errorf("%s: %v does not say %q", name, err, w)
		}
	}
	if text := fmt.Sprintf("%v %+v", err, err); strings.Contains(text, "search-secret") || strings.Contains(text, idp.Alice.Password) {
		t.Errorf("a password was told: %s", text)
	}
}

func TestLDAPLogin(t *testing.T) {
	l := idp.StartOpenLDAP(t, idp.OpenLDAPOptions{EmptyPassword: true})
	c := open(t, of(l))
	want := dexconn.Identity{
		UserID: "alice", Username: "Alice Example", PreferredUsername: "Alice Example", Email: "alice@example.com", EmailVerified: true,
		Groups: []string{"admins", "developers", "everyone"}, ConnectorData: []byte(`{"username":"alice"}`),
	}
	if diff := cmp.Diff(want, login(t, c, "alice", idp.Alice.Password)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := login(t, c, idp.Weird.Name, idp.Weird.Password); got.UserID != idp.Weird.Name ||
		!slices.Equal(got.Groups, []string{"developers", "everyone"}) {
		t.Errorf("%s is %v", idp.Weird.Name, got)
	}
	for _, who := range [][2]string{
		{"alice", "wrong"},
		{"alice", ""},
		{"", ""},
		{"", idp.Alice.Password},
		{"*", idp.Alice.Password},
		{"alice)(uid=*", idp.Alice.Password},
		{"a*", idp.Alice.Password},
		{`\61lice`, idp.Alice.Password},
		{"alice\x00", idp.Alice.Password},
		{"nobody", "x"},
		{"carol", idp.Carol.Password},
		{"search", l.BindPassword},
	} {
		if id, valid, err := c.Login(t.Context(), dexconn.Scopes{}, who[0], who[1]); valid || err != nil || id.UserID != "" {
			t.Errorf("%q with %q: %v, %v, %v", who[0], who[1], id, valid, err)
		}
	}
	if _, valid, err := c.Login(t.Context(), dexconn.Scopes{}, "*", "x"); valid || err != nil {
		t.Errorf("a name for everybody is no name: %v, %v", valid, err)
	}
}

func TestLDAPLogin_Attributes(t *testing.T) {
	l := idp.StartOpenLDAP(t, idp.OpenLDAPOptions{})
	// Two who share an address, one without, and groups that contain each other.
	l.Modify("dn: uid=twin1," + l.PeopleDN + "\nchangetype: add\nobjectClass: inetOrgPerson\nuid: twin1\ncn: Twin\nsn: Twin\nmail: " +
		"twin@example.com\nemployeeType: staff\nuserPassword: " + idp.Alice.Password +
		"\n\ndn: uid=twin2," + l.PeopleDN + "\nchangetype: add\nobjectClass: inetOrgPerson\nuid: twin2\ncn: Twin\nsn: Twin\nmail: " +
		"twin@example.com\nemployeeType: staff\nuserPassword: " + idp.Alice.Password +
		"\n\ndn: uid=bare," + l.PeopleDN + "\nchangetype: add\nobjectClass: inetOrgPerson\nuid: bare\ncn: Bare\nsn: Bare\nemployeeType: staff\n" +
		"userPassword: " + idp.Alice.Password +
		"\n\ndn: cn=developers," + l.GroupsDN + "\nchangetype: modify\nadd: member\nmember: cn=everyone," + l.GroupsDN + "\n")
	base := of(l)

	if got := login(t, open(t, base), "bob", idp.Bob.Password).Groups; !slices.Equal(got, []string{"developers", "everyone"}) {
		t.Errorf("groups that contain each other: %v", got)
	}
	direct := open(t, base, func(c *Config) { c.GroupSearch.UserMatchers[0].RecursionGroupAttr = "" })
	if got := login(t, direct, "bob", idp.Bob.Password).Groups; !slices.Equal(got, []string{"developers"}) {
		t.Errorf("without recursion: %v", got)
	}
	none := open(t, base, func(c *Config) { c.GroupSearch = groupSearch{} })
	if got := login(t, none, "bob", idp.Bob.Password).Groups; got != nil {
		t.Errorf("without groupSearch nothing is known of groups, but they are %v", got)
	}
	empty := open(t, base, func(c *Config) { c.GroupSearch.Filter = "(cn=no-such-group)" })
	if got := login(t, empty, "bob", idp.Bob.Password).Groups; got == nil || len(got) > 0 {
		t.Errorf("groups are known to be none, but they are %#v", got)
	}
	suffixed := open(t, base, func(c *Config) { c.UserSearch.EmailSuffix = "corp.example.com" })
	if got := login(t, suffixed, "bare", idp.Alice.Password).Email; got != "bare@corp.example.com" {
		t.Errorf("with emailSuffix: %s", got)
	}
	either := open(t, base, func(c *Config) { c.UserSearch.Username = strict.Texts{"uid", "mail"} })
	for _, name := range []string{"bob", "bob@example.com", "BOB"} {
		if got := login(t, either, name, idp.Bob.Password).UserID; got != "bob" {
			t.Errorf("%s is %s", name, got)
		}
	}
	fails(t, either, "twin@example.com", fault.Precondition, "userSearch.username", "more than one entry")
	fails(t, open(t, base), "bare", fault.Denied, "userSearch.emailAttr", `"mail"`, "uid, cn")
	fails(
		t, open(t, base, func(c *Config) { c.UserSearch.IDAttr = "employeeNumber" }), "alice", fault.Denied, "userSearch.idAttr",
		`"employeeNumber"`,
	)
	fails(
		t, open(t, base, func(c *Config) { c.GroupSearch.NameAttr = "description" }), "alice", fault.Precondition, "groupSearch.nameAttr",
		`"description"`,
	)
	l.Modify("dn: uid=twin1," + l.PeopleDN + "\nchangetype: modify\nadd: uid\nuid: alice2\n")
	fails(t, open(t, base), "twin1", fault.Precondition, "userSearch.idAttr", "2 values", "entryUUID")
	one := open(t, base, func(c *Config) { c.UserSearch.BaseDN, c.UserSearch.Scope = l.BaseDN, "one" })
	if _, valid, err := one.Login(t.Context(), dexconn.Scopes{}, "alice", idp.Alice.Password); valid || err != nil {
		t.Errorf("one level does not reach alice: %v, %v", valid, err)
	}

	seen := claimlog.New(time.Now)
	if _, valid, err := open(t, base).Login(claimlog.In(t.Context(), seen), dexconn.Scopes{}, "alice", idp.Alice.Password); !valid ||
		err != nil {
		t.Fatalf("%v, %v", valid, err)
	}
	text, steps := fmt.Sprint(seen.Seen().Claims), fmt.Sprint(seen.Seen().Steps)
	for _, step := range []string{"connect to the directory", "bind the search account", "search for the person", "bind as the person", "search for groups"} {
		if !strings.Contains(steps, step) {
			t.Errorf("%q is not among the steps: %s", step, steps)
		}
	}
	if strings.Contains(steps, idp.Alice.Password) || strings.Contains(steps, l.BindPassword) {
		t.Errorf("a password is among the steps: %s", steps)
	}
	if !strings.Contains(text, "alice@example.com") || !strings.Contains(text, "everyone") || strings.Contains(text, idp.Alice.Password) ||
		strings.Contains(text, "userPassword") {
		t.Errorf("a connector test sees %s", text)
	}
}

func TestLDAPRefresh(t *testing.T) {
	l := idp.StartOpenLDAP(t, idp.OpenLDAPOptions{})
	c := open(t, of(l))
	again := func(old dexconn.Identity) (dexconn.Identity, error) {
		got, err := c.Refresh(t.Context(), dexconn.Scopes{Groups: true}, old)
		slices.Sort(got.Groups)
		return got, err
	}
	alice, bob := login(t, c, "alice", idp.Alice.Password), login(t, c, "bob", idp.Bob.Password)
	if got, err := again(alice); err != nil || cmp.Diff(alice, got) != "" {
		t.Errorf("unchanged: %v, %v", got, err)
	}
	l.Modify("dn: " + l.DN(idp.Alice) + "\nchangetype: modify\nreplace: mail\nmail: alice@new.example.com\n\n" +
		"dn: cn=admins," + l.GroupsDN + "\nchangetype: modify\nadd: member\nmember: " + l.DN(idp.Bob) + "\n")
	if got, err := again(alice); err != nil || got.Email != "alice@new.example.com" || !bytes.Equal(got.ConnectorData, alice.ConnectorData) {
		t.Errorf("a new address: %v, %v", got, err)
	}
	if got, err := again(bob); err != nil || !slices.Equal(got.Groups, []string{"admins", "developers", "everyone"}) {
		t.Errorf("a new group: %v, %v", got, err)
	}
	l.Modify("dn: " + l.DN(idp.Alice) + "\nchangetype: modify\nreplace: employeeType\nemployeeType: left\n\n" +
		"dn: " + l.DN(idp.Bob) + "\nchangetype: delete\n")
	for _, gone := range []dexconn.Identity{alice, bob} {
		if _, err := again(gone); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("%s is gone: %v", gone.UserID, err)
		}
	}
	// Somebody else has the name now.
	l.Modify("dn: " + l.DN(idp.Bob) + "\nchangetype: add\nobjectClass: inetOrgPerson\nuid: bob\ncn: Bob\nsn: Bob\nmail: another@example.com\n" +
		"employeeType: staff\nuserPassword: x\n")
	byNumber := of(l)
	byNumber.UserSearch.IDAttr = "entryUUID"
	c = open(t, byNumber)
	bob.UserID = "00000000-0000-0000-0000-000000000000"
	if _, err := again(bob); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("another person by the same name: %v", err)
	}
	if _, err := c.Refresh(t.Context(), dexconn.Scopes{}, dexconn.Identity{UserID: "bob"}); err == nil {
		t.Error("a session of which nothing is remembered is renewed")
	}
}

func TestLDAPLogin_Referrals(t *testing.T) {
	l := idp.StartOpenLDAP(t, idp.OpenLDAPOptions{})
	elsewhere, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		if conn, err := elsewhere.Accept(); err == nil {
			_ = conn.Close()
			t.Error("the other directory was asked")
		}
	}()
	ref := "ou=elsewhere," + l.PeopleDN
	l.Modify("dn: " + ref + "\nchangetype: add\nobjectClass: referral\nobjectClass: extensibleObject\nou: elsewhere\nref: " +
		"ldap://" + elsewhere.Addr().String() + "/" + ref + "??sub\n")
	login(t, open(t, of(l)), "alice", idp.Alice.Password)
	// All that is below lives elsewhere.
	there := open(t, of(l), func(c *Config) { c.UserSearch.BaseDN = ref })
	fails(t, there, "alice", fault.Precondition, "userSearch.baseDN", "not followed")
	_ = elsewhere.Close()
	<-asked
}

// startTLSRefused is an extended response with the code protocolError to the
// first message of a connection (RFC 4511, 4.14.2).
var startTLSRefused = []byte{0x30, 0x0c, 0x02, 0x01, 0x01, 0x78, 0x07, 0x0a, 0x01, 0x02, 0x04, 0x00, 0x04, 0x00}

func TestLDAPLogin_NothingBeforeTLS(t *testing.T) {
	server, heard := refusesTLS(t)
	config := good()
	config.Host, config.StartTLS = server.Addr().String(), true
	fails(t, open(t, config), "alice", fault.Unavailable, "startTLS", "does not start TLS")
	_ = server.Close()
	all := <-heard
	if !bytes.Contains(all, []byte("1.3.6.1.4.1.1466.20037")) {
		t.Errorf("nobody asked for TLS: %q", all)
	}
	for _, secret := range []string{config.BindPW, config.BindDN, idp.Alice.Password, "alice"} {
		if bytes.Contains(all, []byte(secret)) {
			t.Errorf("%s went over the wire in plain text", secret)
		}
	}
}

// What has spoken LDAP is not asked what it speaks: the next to come is the test.
func TestLDAPPing_AnswerIsEnough(t *testing.T) {
	server, heard := refusesTLS(t)
	config := good()
	config.Host, config.StartTLS = server.Addr().String(), true
	if err := open(t, config).Ping(t.Context()); fault.FieldOf(err) != "config.startTLS" || !strings.Contains(fault.Message(err), "does not start TLS") {
		t.Errorf("%v", err)
	}
	<-heard
	ours, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	next, err := server.Accept()
	if err != nil || next.RemoteAddr().String() != ours.LocalAddr().String() {
		t.Errorf("somebody else came: %v, %v", next, err)
	}
	_, _ = ours.Close(), next.Close()
}

// refusesTLS is a directory that takes one connection, refuses StartTLS there and
// tells what it heard.
func refusesTLS(t *testing.T) (server net.Listener, heard <-chan []byte) {
	t.Helper()
	server, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	all := make(chan []byte, 1)
	go func() {
		conn, err := server.Accept()
		if err != nil {
			all <- nil
			return
		}
		defer func() { _ = conn.Close() }()
		first := make([]byte, 512)
		n, _ := conn.Read(first)
		_, _ = conn.Write(startTLSRefused)
		rest, _ := io.ReadAll(conn)
		all <- append(first[:n], rest...)
	}()
	return server, all
}

// A directory that agrees to begin TLS and then falls silent must not keep a
// sign-in that is over.
func TestLDAPLogin_SilentHandshake(t *testing.T) {
	server, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn, err := server.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		buf := make([]byte, 4096)
		_, _ = conn.Read(buf)
		agreed := bytes.Clone(startTLSRefused)
		agreed[9] = 0 // success
		_, _ = conn.Write(agreed)
		_, _ = conn.Read(buf) // its part of the handshake
		cancel()
		_, _ = io.Copy(io.Discard, conn) // until it hangs up
	}()
	config := good()
	config.Host, config.StartTLS = server.Addr().String(), true
	_, valid, err := open(t, config).Login(ctx, dexconn.Scopes{}, "alice", idp.Alice.Password)
	if valid || !fault.Is(err, fault.Unavailable) {
		t.Errorf("%v, %v", valid, err)
	}
	<-ended
	_ = server.Close()
}

func TestLDAPLogin_DirectoryProblems(t *testing.T) {
	l := idp.StartOpenLDAP(t, idp.OpenLDAPOptions{})
	base := of(l)
	fails(t, open(t, base, func(c *Config) { c.BindPW = "wrong" }), "alice", fault.Precondition, "bindPW", "bindDN or bindPW")
	fails(t, open(t, base, func(c *Config) { c.RootCAData = "" }), "alice", fault.Unavailable, "rootCA", "certificate")
	fails(
		t, open(t, base, func(c *Config) { c.RootCAData = string(idp.NewCA(t).PEM) }), "alice", fault.Unavailable, "rootCA", "certificate",
	)
	starttls := func(c *Config) { c.Host, c.StartTLS = l.Plain, true }
	fails(t, open(t, base, starttls, func(c *Config) { c.RootCAData = "" }), "alice", fault.Unavailable, "rootCA", "authority unknown")
	login(t, open(t, base, starttls), "alice", idp.Alice.Password)
	fails(
		t, open(t, base, func(c *Config) { c.UserSearch.BaseDN = "ou=nowhere," + l.BaseDN }), "alice", fault.Precondition,
		"userSearch.baseDN", "no entry",
	)
	fails(
		t, open(t, base, func(c *Config) { c.GroupSearch.BaseDN = "ou=nowhere," + l.BaseDN }), "alice", fault.Precondition,
		"groupSearch.baseDN", "no entry",
	)
	// Whom nobody bound as, this directory shows nothing.
	nobody := open(t, base, func(c *Config) { c.BindDN, c.BindPW = "", "" })
	if _, valid, err := nobody.Login(t.Context(), dexconn.Scopes{}, "alice", idp.Alice.Password); valid || fault.Is(err, fault.Internal) {
		t.Errorf("searching as nobody: %v, %v", valid, err)
	}
	l.Stop()
	c := open(t, base) // needs no directory
	fails(t, c, "alice", fault.Unavailable, "host", l.LDAPS, "cannot be reached")
	if err := c.Ping(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("the probe: %v", err)
	}
	l.Start()
	login(t, c, "alice", idp.Alice.Password)
	if err := c.Ping(t.Context()); err != nil {
		t.Errorf("the probe: %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, valid, err := c.Login(cancelled, dexconn.Scopes{}, "alice", idp.Alice.Password); valid || err == nil {
		t.Errorf("a sign-in that is over: %v, %v", valid, err)
	}
}

// hangsUp is the address of a server that takes connections and ends them.
func hangsUp(t *testing.T) string {
	t.Helper()
	server, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	go func() {
		for {
			conn, err := server.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	return server.Addr().String()
}

func TestLDAPPing_OtherProtocol(t *testing.T) {
	l := idp.StartOpenLDAP(t, idp.OpenLDAPOptions{})
	for key, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"host": {func(c *Config) { c.Host = l.Plain }, "speaks plain LDAP on this port"},
		// Without the CA, which does not matter here.
		"startTLS":      {func(c *Config) { c.StartTLS, c.RootCAData = true, "" }, "speaks LDAPS on this port"},
		"insecureNoSSL": {func(c *Config) { c.InsecureNoSSL, c.RootCAData = true, "" }, "speaks LDAPS on this port"},
	} {
		err := open(t, of(l), c.change).Ping(t.Context())
		if !fault.Is(err, fault.Precondition) || fault.FieldOf(err) != "config."+key || !strings.Contains(fault.Message(err), c.want) {
			t.Errorf("%v at %q; want at %s: %s", err, fault.FieldOf(err), key, c.want)
		}
	}
}

func TestLDAPCheck(t *testing.T) {
	ca := idp.NewCA(t)
	l := idp.StartOpenLDAP(t, idp.OpenLDAPOptions{CA: ca})
	expired := ca.Expired(t)
	deaf := hangsUp(t)
	old := idp.StartOpenLDAP(t, idp.OpenLDAPOptions{CA: ca, Certificate: &expired})
	for name, c := range map[string]struct {
		on     *idp.OpenLDAP
		change func(*Config)
		want   string // statuses of the steps, by their first letters
		says   string // of the last that is not ok
	}{
		"good": {l, nil, "dns:o tcp:o tls:o credentials:o users:o groups:o", ""},
		"good by StartTLS": {
			l, func(c *Config) { c.Host, c.StartTLS = l.Plain, true }, "dns:o tcp:o tls:o credentials:o users:o groups:o", "",
		},
		"plain": {
			l, func(c *Config) { c.Host, c.InsecureNoSSL = l.Plain, true }, "dns:o tcp:o tls:o credentials:o users:o groups:o", "",
		},
		"no groups": {
			l, func(c *Config) { c.GroupSearch = groupSearch{} }, "dns:o tcp:o tls:o credentials:o users:o groups:s", "groupSearch.baseDN",
		},
		"bad bind password": {l, func(c *Config) { c.BindPW = "wrong" }, "dns:o tcp:o tls:o credentials:f users:s groups:s", "bindPW"},
		"wrong base": {
			l, func(c *Config) { c.UserSearch.BaseDN = "ou=nowhere," + l.BaseDN }, "dns:o tcp:o tls:o credentials:o users:f groups:o",
			"userSearch.baseDN",
		},
		"nobody there": {
			l, func(c *Config) { c.UserSearch.Filter = "(uid=nobody)" }, "dns:o tcp:o tls:o credentials:o users:w groups:o",
			"userSearch.baseDN",
		},
		"a user name that nobody has": {
			l, func(c *Config) { c.UserSearch.Username = strict.Texts{"uidd"} }, "dns:o tcp:o tls:o credentials:o users:f groups:o",
			"none has uidd: check userSearch.username",
		},
		"one user name that nobody has": {
			l, func(c *Config) { c.UserSearch.Username = strict.Texts{"uid", "uidd"} }, "dns:o tcp:o tls:o credentials:o users:w groups:o",
			`has the attribute "uidd": check userSearch.username`,
		},
		"an e-mail address that nobody has": {
			l, func(c *Config) { c.UserSearch.EmailAttr = "email2" }, "dns:o tcp:o tls:o credentials:o users:f groups:o",
			`has the attribute "email2": check userSearch.emailAttr`,
		},
		"an e-mail address of the id": {
			l, func(c *Config) { c.UserSearch.EmailAttr, c.UserSearch.EmailSuffix = "email2", "example.com" },
			"dns:o tcp:o tls:o credentials:o users:o groups:o", "",
		},
		"an id that nobody has": {
			l, func(c *Config) { c.UserSearch.IDAttr = "objectGUID" }, "dns:o tcp:o tls:o credentials:o users:f groups:o",
			`has the attribute "objectGUID": check userSearch.idAttr`,
		},
		"a name that nobody has": {
			l, func(c *Config) { c.UserSearch.NameAttr = "displayname2" }, "dns:o tcp:o tls:o credentials:o users:w groups:o",
			"userSearch.nameAttr",
		},
		"a userAttr that nobody has": {
			l, func(c *Config) { c.GroupSearch.UserMatchers[0].UserAttr = "gidNumber" }, "dns:o tcp:o tls:o credentials:o users:w groups:o",
			"groupSearch.userMatchers.userAttr",
		},
		"a groupAttr that no group has": {
			l, func(c *Config) { c.GroupSearch.UserMatchers[0].GroupAttr = "memberUid" }, "dns:o tcp:o tls:o credentials:o users:o groups:w",
			`has the attribute "memberUid": check groupSearch.userMatchers.groupAttr`,
		},
		"a groupAttr with a matching rule": {
			l, func(c *Config) { c.GroupSearch.UserMatchers[0].GroupAttr = "member:1.2.840.113556.1.4.1941:" },
			"dns:o tcp:o tls:o credentials:o users:o groups:o", "",
		},
		"an e-mail address that some lack": {
			l, func(c *Config) {
				c.UserSearch = userSearch{BaseDN: l.BaseDN, Username: strict.Texts{"cn"}, IDAttr: "cn", EmailAttr: "mail"}
			},
			"dns:o tcp:o tls:o credentials:o users:o groups:o", "",
		},
		"nothing below the base": {
			l, func(c *Config) {
				c.UserSearch.BaseDN, c.UserSearch.Filter, c.UserSearch.Username = l.BindDN, "", strict.Texts{"uid"}
			},
			"dns:o tcp:o tls:o credentials:o users:w groups:o", "no people are found below",
		},
		"a name that no group has": {
			l, func(c *Config) { c.GroupSearch.NameAttr = "cnn" }, "dns:o tcp:o tls:o credentials:o users:o groups:f",
			"none has cnn: check groupSearch.nameAttr",
		},
		"no groups there": {
			l, func(c *Config) { c.GroupSearch.Filter = "(cn=nothing)" }, "dns:o tcp:o tls:o credentials:o users:o groups:w",
			"groupSearch.baseDN",
		},
		"expired": {old, nil, "dns:o tcp:o tls:f credentials:s users:s groups:s", "expired"},
		"expired, StartTLS": {
			old, func(c *Config) { c.Host, c.StartTLS = old.Plain, true }, "dns:o tcp:o tls:f credentials:s users:s groups:s", "expired",
		},
		"another CA": {
			l, func(c *Config) { c.RootCAData = string(idp.NewCA(t).PEM) }, "dns:o tcp:o tls:f credentials:s users:s groups:s", "rootCA",
		},
		"LDAPS on the port of LDAP": {
			l, func(c *Config) { c.Host = l.Plain }, "dns:o tcp:o tls:f credentials:s users:s groups:s",
			"speaks plain LDAP on this port, not LDAPS: put its port for LDAPS, usually 636, into config.host, or set startTLS to true",
		},
		"StartTLS on the port of LDAPS": {
			l, func(c *Config) { c.StartTLS = true }, "dns:o tcp:o tls:f credentials:s users:s groups:s", "speaks LDAPS on this port",
		},
		"plain text on the port of LDAPS": {
			l, func(c *Config) { c.InsecureNoSSL = true }, "dns:o tcp:o tls:o credentials:f users:s groups:s", "speaks LDAPS on this port",
		},
		"LDAPS on a port of neither": {
			l, func(c *Config) { c.Host = deaf }, "dns:o tcp:o tls:f credentials:s users:s groups:s", "cannot be reached",
		},
		"StartTLS on a port of neither": {
			l, func(c *Config) { c.Host, c.StartTLS = deaf, true }, "dns:o tcp:o tls:f credentials:s users:s groups:s", "does not start TLS when asked",
		},
		"anybody's word": {
			old, func(c *Config) { c.InsecureSkipVerify = true }, "dns:o tcp:o tls:w credentials:o users:o groups:o", "not verified",
		},
		"nothing listens": {
			l, func(c *Config) { c.Host = "127.0.0.1:1" }, "dns:o tcp:f tls:s credentials:s users:s groups:s", "config.host",
		},
		"no such host": {
			l, func(c *Config) { c.Host = "nowhere.invalid" }, "dns:f tcp:s tls:s credentials:s users:s groups:s", "config.host",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var changes []func(*Config)
			if c.change != nil {
				changes = append(changes, c.change)
			}
			report := probe.New(time.Now)
			open(t, of(c.on), changes...).Check(t.Context(), report)
			var got []string
			says := ""
			for _, s := range report.Steps {
				got = append(got, s.Name+":"+string(s.Status)[:1])
				if s.Status != probe.OK && s.Result != "an earlier step failed" {
					says = s.Result + ": " + s.Remedy
				}
			}
			if text := strings.Join(got, " "); text != c.want || !strings.Contains(says, c.says) {
				t.Errorf("%s, want %s; it says %q, want %q", text, c.want, says, c.says)
			}
			data, err := json.Marshal(report.Steps)
			if err != nil || bytes.Contains(data, []byte(c.on.BindPassword)) {
				t.Errorf("the password is in %s (%v)", data, err)
			}
		})
	}
}

func TestText_OfAttributes(t *testing.T) {
	guid := "\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff"
	for _, c := range []struct{ name, raw, want string }{
		{"objectGUID", guid, "00112233-4455-6677-8899-aabbccddeeff"},
		{"OBJECTguid", guid, "00112233-4455-6677-8899-aabbccddeeff"},
		{"objectGUID", "\xff\x00", "ff00"}, // which no directory sends
		{"uid", "sixteen-letters.", "sixteen-letters."},
		{"jpegPhoto", "\xff\xd8", "ffd8"},
	} {
		if got := text(c.name, []byte(c.raw)); got != c.want {
			t.Errorf("%s %q: %q, want %q", c.name, c.raw, got, c.want)
		}
	}
}
