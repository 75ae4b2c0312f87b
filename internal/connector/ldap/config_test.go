package ldap

import (
	"encoding/base64"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"pachyderm/internal/fault"
	"pachyderm/internal/strict"
	"pachyderm/test/idp"
)

// good is a configuration with everything in it that has a rule.
func good() Config {
	return Config{
		Host: "ldap.example.com", BindDN: "cn=search,dc=example,dc=com", BindPW: "the-password",
		UserSearch: userSearch{BaseDN: "ou=people,dc=example,dc=com", Filter: "(objectClass=person)", Username: strict.Texts{"uid", "mail"}},
		GroupSearch: groupSearch{
			BaseDN: "ou=groups,dc=example,dc=com", Filter: "(objectClass=groupOfNames)",
			UserMatchers: []userMatcher{{UserAttr: "DN", GroupAttr: "member", RecursionGroupAttr: "member"}},
		},
	}
}

func TestLDAPConfig_Refused(t *testing.T) {
	ca := idp.NewCA(t)
	pair := ca.Certificate(t)
	dir := t.TempDir()
	for name, c := range map[string]struct {
		change func(*Config)
		field  string
		want   string
	}{
		"a URL as host":      {func(c *Config) { c.Host = "ldaps://ldap.example.com" }, "host", "without ldap://"},
		"a path in the host": {func(c *Config) { c.Host = "ldap.example.com/x" }, "host", "alone"},
		"two hosts":          {func(c *Config) { c.Host = "a.example.com b.example.com" }, "host", "alone"},
		"kerberos":           {func(c *Config) { c.Kerberos = map[string]any{} }, "kerberos", "not supported"},
		"plain and StartTLS": {
			func(c *Config) { c.Host, c.InsecureNoSSL, c.StartTLS = "localhost", true, true }, "startTLS", "contradict",
		},
		"plain to elsewhere": {func(c *Config) { c.InsecureNoSSL = true }, "insecureNoSSL", "plain text"},
		"plain to a look-like": {
			func(c *Config) { c.Host, c.InsecureNoSSL = "localhost.example.com:389", true }, "insecureNoSSL", "plain text",
		},
		"password of nobody":  {func(c *Config) { c.BindDN = "" }, "bindDN", "without bindDN"},
		"no bind password":    {func(c *Config) { c.BindPW = "" }, "bindPW", "without bindPW"},
		"certificate, no key": {func(c *Config) { c.ClientCert = pair.CertFile }, "clientKey", "both"},
		"key, no certificate": {func(c *Config) { c.ClientKey = pair.KeyFile }, "clientKey", "both"},
		"no such pair":        {func(c *Config) { c.ClientCert, c.ClientKey = "/nowhere", "/nowhere" }, "clientCert", "cannot be used"},
		"pair the wrong way": {
			func(c *Config) { c.ClientCert, c.ClientKey = pair.KeyFile, pair.CertFile }, "clientCert", "cannot be used",
		},
		"bind DN":            {func(c *Config) { c.BindDN = "cn=search,example" }, "bindDN", "distinguished name"},
		"base of people":     {func(c *Config) { c.UserSearch.BaseDN = "people" }, "userSearch.baseDN", "distinguished name"},
		"base of groups":     {func(c *Config) { c.GroupSearch.BaseDN = "groups" }, "groupSearch.baseDN", "distinguished name"},
		"filter of people":   {func(c *Config) { c.UserSearch.Filter = "objectClass=person" }, "userSearch.filter", "not an LDAP filter"},
		"half a filter":      {func(c *Config) { c.UserSearch.Filter = "(objectClass=person" }, "userSearch.filter", "not an LDAP filter"},
		"two filters":        {func(c *Config) { c.UserSearch.Filter = "(a=b)(c=d)" }, "userSearch.filter", "not an LDAP filter"},
		"filter of groups":   {func(c *Config) { c.GroupSearch.Filter = "x" }, "groupSearch.filter", "not an LDAP filter"},
		"attribute of names": {func(c *Config) { c.UserSearch.Username[1] = "uid=*)(x" }, "userSearch.username[1]", "attribute"},
		"no attribute of it": {func(c *Config) { c.UserSearch.Username[0] = "" }, "userSearch.username[0]", "attribute"},
		"suffix with an @":   {func(c *Config) { c.UserSearch.EmailSuffix = "@example.com" }, "userSearch.emailSuffix", "without the @"},
		"no matchers":        {func(c *Config) { c.GroupSearch.UserMatchers = nil }, "groupSearch.userMatchers[0]", "userAttr"},
		"half a matcher": {
			func(c *Config) { c.GroupSearch.UserMatchers[0].GroupAttr = "" }, "groupSearch.userMatchers[0]", "groupAttr",
		},
		"a matcher's filter": {
			func(c *Config) { c.GroupSearch.UserMatchers[0].GroupAttr = "member=x)(y" }, "groupSearch.userMatchers[0]", "groupAttr",
		},
		"recursion's filter": {
			func(c *Config) { c.GroupSearch.UserMatchers[0].RecursionGroupAttr = "*" }, "groupSearch.userMatchers[0]", "groupAttr",
		},
		"no such CA file":      {func(c *Config) { c.RootCA = filepath.Join(dir, "nowhere") }, "rootCA", "cannot be read"},
		"a key as the CA":      {func(c *Config) { c.RootCA = pair.KeyFile }, "rootCA", "no certificate"},
		"CA that is no base64": {func(c *Config) { c.RootCAData = "?" }, "rootCAData", "neither PEM"},
		"CA that is no PEM":    {func(c *Config) { c.RootCAData = "AAAA" }, "rootCAData", "neither PEM"},
	} {
		t.Run(name, func(t *testing.T) {
			config := good()
			c.change(&config)
			_, err := Open(config)
			if !fault.Is(err, fault.Invalid) || fault.FieldOf(err) != "config."+c.field || !strings.Contains(fault.Message(err), c.want) {
				t.Errorf("got %v at %q, want %q at %q", err, fault.FieldOf(err), c.want, c.field)
			}
			if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), "the-password") {
				t.Errorf("the password was told: %v", err)
			}
		})
	}
}

func TestLDAPConfig_Accepted(t *testing.T) {
	ca := idp.NewCA(t)
	pair := ca.Certificate(t)
	for name, change := range map[string]func(*Config){
		"as it is":         func(*Config) {},
		"StartTLS":         func(c *Config) { c.StartTLS = true },
		"plain here":       func(c *Config) { c.Host, c.InsecureNoSSL = "localhost", true },
		"plain by address": func(c *Config) { c.Host, c.InsecureNoSSL = "127.0.0.1:1389", true },
		"plain by IPv6":    func(c *Config) { c.Host, c.InsecureNoSSL = "[::1]:1389", true },
		"nobody searches":  func(c *Config) { c.BindDN, c.BindPW = "", "" },
		"AD's own name":    func(c *Config) { c.BindDN = "search@ad.example.com" },
		"AD's older name":  func(c *Config) { c.BindDN = `EXAMPLE\search` },
		"no groups":        func(c *Config) { c.GroupSearch = groupSearch{} },
		"the older matcher": func(c *Config) {
			c.GroupSearch = groupSearch{BaseDN: "dc=x", UserAttr: "uid", GroupAttr: "memberUid"}
		},
		"AD's nested groups": func(c *Config) { c.GroupSearch.UserMatchers[0].GroupAttr = "member:1.2.840.113556.1.4.1941:" },
		"a client's pair":    func(c *Config) { c.ClientCert, c.ClientKey = pair.CertFile, pair.KeyFile },
		"CA by file":         func(c *Config) { c.RootCA = ca.File },
		"CA by text":         func(c *Config) { c.RootCAData = string(ca.PEM) },
		"CA by base64":       func(c *Config) { c.RootCAData = base64.StdEncoding.EncodeToString(ca.PEM) },
	} {
		t.Run(name, func(t *testing.T) {
			config := good()
			change(&config)
			if _, err := Open(config); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLDAPConfig_Address(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{Host: "h"}, "h:636"},
		{Config{Host: "h", StartTLS: true}, "h:389"},
		{Config{Host: "h", InsecureNoSSL: true}, "h:389"},
		{Config{Host: "h:7", StartTLS: true}, "h:7"},
		{Config{Host: "::1"}, "[::1]:636"},
		{Config{Host: "[::1]"}, "[::1]:636"},
		{Config{Host: "[::1]:7"}, "[::1]:7"},
	} {
		if got := c.config.Address(); got != c.want {
			t.Errorf("%s: %s, want %s", c.config.Host, got, c.want)
		}
	}
}

func TestLDAPConfig_NeverPrintsItsPassword(t *testing.T) {
	config := good()
	c, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{config, &config, c, []any{config, c}, struct{ X any }{config}} {
		if text := fmt.Sprintf("%v %+v %#v %s %q %x", v, v, v, v, v, v); strings.Contains(text, "the-password") ||
			strings.Contains(text, fmt.Sprintf("%x", "the-password")) {
			t.Errorf("shown: %s", text)
		}
	}
}
