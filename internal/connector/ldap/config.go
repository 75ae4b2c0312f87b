package ldap

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"pachyderm/internal/connector/document"
	"pachyderm/internal/connector/refuse"
	"pachyderm/internal/strict"
	"pachyderm/internal/webaddr"
)

// Config is what stands under config: in a connector document of type ldap. Its
// keys are those of Dex's connector.
type Config struct {
	Host               string `json:"host" rule:"required,dest" doc:"host or host:port; default: 636, or 389 with startTLS or insecureNoSSL"`
	InsecureNoSSL      bool   `json:"insecureNoSSL" doc:"use plain text, which shows passwords; only for a directory on this machine"`
	InsecureSkipVerify bool   `json:"insecureSkipVerify" doc:"accept any certificate, and so any impostor; for a first test"`
	StartTLS           bool   `json:"startTLS" doc:"connect in plain text and switch to TLS before anything is sent"`
	RootCA             string `json:"rootCA" rule:"file" doc:"file on the server with the CA certificates to trust, in PEM"`
	RootCAData         string `json:"rootCAData" rule:"lines" doc:"the CA certificates themselves, as PEM text or base64 of it"`
	ClientCert         string `json:"clientCert" rule:"file" doc:"file on the server with a client certificate, in PEM"`
	ClientKey          string `json:"clientKey" rule:"file" doc:"file on the server with its key, in PEM"`

	BindDN         string `json:"bindDN" doc:"account that searches the directory; default: anonymous search"`
	BindPW         string `json:"bindPW" rule:"secret" doc:"its password"`
	UsernamePrompt string `json:"usernamePrompt" doc:"label of the user name on the sign-in page; default: Username"`

	UserSearch  userSearch  `json:"userSearch"`
	GroupSearch groupSearch `json:"groupSearch"`

	// Kerberos is a key of Dex's that is refused in words.
	Kerberos any `json:"kerberos" doc:"not supported: people sign in with their password"`
}

// userSearch says how the entry of a person is found, and what is in it.
type userSearch struct {
	BaseDN   string       `json:"baseDN" rule:"required" doc:"where people are, such as ou=People,dc=example,dc=com"`
	Filter   string       `json:"filter" doc:"filter for people who may sign in, such as (objectClass=person)"`
	Username strict.Texts `json:"username" rule:"required" doc:"attribute, or list of them, with the user name that people type, such as uid"`
	Scope    string       `json:"scope" oneof:"sub one" doc:"sub for all below baseDN, which is usual, or one for a single level"`

	IDAttr                string `json:"idAttr" doc:"attribute that identifies a person for ever, such as entryUUID, objectGUID; default: uid"`
	EmailAttr             string `json:"emailAttr" doc:"attribute with the e-mail address; default: mail"`
	NameAttr              string `json:"nameAttr" doc:"attribute with the display name"`
	PreferredUsernameAttr string `json:"preferredUsernameAttr" doc:"attribute with the short name for display"`
	EmailSuffix           string `json:"emailSuffix" doc:"domain that makes an e-mail address of the idAttr, if the directory has none"`
}

// groupSearch says how the groups of a person are found.
type groupSearch struct {
	BaseDN   string `json:"baseDN" doc:"where groups are; default: groups are not read"`
	Filter   string `json:"filter" doc:"filter for groups, such as (objectClass=groupOfNames)"`
	Scope    string `json:"scope" oneof:"sub one" doc:"as in userSearch"`
	NameAttr string `json:"nameAttr" doc:"attribute with the name of a group; default: cn"`

	UserMatchers []userMatcher `json:"userMatchers" doc:"how people and their groups are matched"`

	UserAttr           string `json:"userAttr" doc:"older form of one entry of userMatchers"`
	GroupAttr          string `json:"groupAttr" doc:"older form of one entry of userMatchers"`
	RecursionGroupAttr string `json:"recursionGroupAttr" doc:"older form of one entry of userMatchers"`
}

// userMatcher finds groups whose GroupAttr has the value of the person's UserAttr.
type userMatcher struct {
	UserAttr           string `json:"userAttr" doc:"attribute of the person, such as DN or uid"`
	GroupAttr          string `json:"groupAttr" doc:"the group's, such as member; in AD, member:1.2.840.113556.1.4.1941: adds nested groups"`
	RecursionGroupAttr string `json:"recursionGroupAttr" doc:"attribute of a group with the DN of a nested group, such as member"`
}

// Format keeps the password out of every %v, %+v and %#v.
func (c Config) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, "ldap connector to ", c.Host) }

// validate checks what the tags cannot say. Fault: Invalid, at the key.
func (c Config) validate() error {
	host := c.hostname()
	if strings.ContainsAny(c.Host, "/ ") {
		return refuse.Config("host", "host is %q", c.Host).
			Next("write the host alone, without ldap://, such as ldap.example.com or ldap.example.com:636")
	}
	switch {
	case c.Kerberos != nil:
		return refuse.Config("kerberos", "kerberos is not supported").
			Next("remove the key; people sign in with their password")
	case c.InsecureNoSSL && c.StartTLS:
		return refuse.Config("startTLS", "insecureNoSSL and startTLS contradict each other").
			Next("remove insecureNoSSL")
	case c.InsecureNoSSL && !webaddr.IsLoopback(host):
		return refuse.Config("insecureNoSSL", "insecureNoSSL would send passwords to %s in plain text", host).
			Next("use startTLS: true or LDAPS; plain text is accepted for this machine only")
	case c.BindDN == "" && c.BindPW != "":
		return refuse.Config("bindDN", "bindPW is set without bindDN").
			Next("set bindDN to the account that it belongs to")
	case c.BindDN != "" && c.BindPW == "":
		// An empty password would be an anonymous bind that succeeds (RFC 4513, 5.1.2).
		return refuse.Config("bindPW", "bindDN is set without bindPW").
			Next("set bindPW to its password")
	case (c.ClientCert == "") != (c.ClientKey == ""):
		return refuse.Config("clientKey", "set both clientCert and clientKey, or neither")
	}
	if err := checkDN("bindDN", c.BindDN); err != nil {
		return err
	}
	return c.checkSearches()
}

func (c Config) checkSearches() error {
	for _, b := range []branch{c.people(), c.groups()} {
		if err := checkDN(b.key+".baseDN", b.baseDN); err != nil {
			return err
		}
		if b.filter == "" {
			continue
		}
		if _, err := ldap.CompileFilter(b.filter); err != nil {
			return refuse.Config(b.key+".filter", "%s.filter is not an LDAP filter", b.key).
				Next("write one in parentheses, such as (objectClass=person)").Because(err)
		}
	}
	for n, name := range c.UserSearch.Username {
		if !isAttribute(name) {
			return refuse.Config(fmt.Sprintf("userSearch.username[%d]", n), "userSearch.username: %q is not the name of an attribute", name)
		}
	}
	if strings.Contains(c.UserSearch.EmailSuffix, "@") {
		return refuse.Config("userSearch.emailSuffix", "userSearch.emailSuffix is the domain alone, without the @")
	}
	if c.GroupSearch.BaseDN == "" {
		return nil
	}
	for n, m := range c.matchers() {
		if !isAttribute(m.UserAttr) || !isAttribute(m.GroupAttr) || m.RecursionGroupAttr != "" && !isAttribute(m.RecursionGroupAttr) {
			return refuse.Config(
				fmt.Sprintf("groupSearch.userMatchers[%d]", n),
				"groupSearch needs userMatchers with userAttr and groupAttr, such as userAttr: DN and groupAttr: member",
			)
		}
	}
	return nil
}

// matchers takes the older form too.
func (c Config) matchers() []userMatcher {
	if len(c.GroupSearch.UserMatchers) > 0 {
		return c.GroupSearch.UserMatchers
	}
	return []userMatcher{{c.GroupSearch.UserAttr, c.GroupSearch.GroupAttr, c.GroupSearch.RecursionGroupAttr}}
}

// branch is where entries are, and which of them count.
type branch struct{ key, baseDN, scope, filter string }

func (c Config) people() branch {
	return branch{"userSearch", c.UserSearch.BaseDN, c.UserSearch.Scope, c.UserSearch.Filter}
}

func (c Config) groups() branch {
	return branch{"groupSearch", c.GroupSearch.BaseDN, c.GroupSearch.Scope, c.GroupSearch.Filter}
}

// isAttribute accepts attribute descriptions and matching rules (RFC 4512, 2.5;
// RFC 4515, 3), and nothing that could change a filter.
func isAttribute(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-;.:", r)
	})
}

func checkDN(key, dn string) error {
	if dn == "" || key == "bindDN" && !strings.Contains(dn, "=") { // Active Directory takes user@domain too
		return nil
	}
	if _, err := ldap.ParseDN(dn); err != nil {
		return refuse.Config(key, "%s is not a distinguished name", key).
			Next("write one such as ou=People,dc=example,dc=com").Because(err)
	}
	return nil
}

func (c Config) hostname() string {
	if host, _, err := net.SplitHostPort(c.Host); err == nil {
		return host
	}
	return strings.Trim(c.Host, "[]")
}

// Address is host:port.
func (c Config) Address() string {
	switch {
	case c.hostname() != strings.Trim(c.Host, "[]"):
		return c.Host
	case c.InsecureNoSSL || c.StartTLS:
		return net.JoinHostPort(c.hostname(), "389")
	}
	return net.JoinHostPort(c.hostname(), "636")
}

func (c Config) tls() (*tls.Config, error) {
	//nolint:gosec // the administrator asked for it by that name
	t := &tls.Config{ServerName: c.hostname(), MinVersion: tls.VersionTLS12, InsecureSkipVerify: c.InsecureSkipVerify}
	if c.ClientCert != "" {
		pair, err := tls.LoadX509KeyPair(c.ClientCert, c.ClientKey)
		if err != nil {
			return nil, refuse.Config("clientCert", "the pair of clientCert and clientKey cannot be used").
				Next("check the files on the server").Because(err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	key := "rootCAData"
	text, err := document.PEM(key, c.RootCAData)
	if c.RootCA != "" {
		key = "rootCA"
		if text, err = os.ReadFile(c.RootCA); err != nil {
			err = refuse.Config(key, "the file of rootCA cannot be read").
				Next("set it to a file on the server, or put the certificates into rootCAData").Because(err)
		}
	}
	if err != nil || c.RootCA+c.RootCAData == "" {
		return t, err
	}
	t.RootCAs = x509.NewCertPool()
	if !t.RootCAs.AppendCertsFromPEM(text) {
		return nil, refuse.Config(key, "%s holds no certificate in PEM", key).
			Next("provide the CA's, beginning with -----BEGIN CERTIFICATE-----")
	}
	return t, nil
}
