package ldap

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"pachyderm/internal/connector/probe"
	"pachyderm/internal/fault"
)

// The steps that only a directory has.
const (
	stepUsers  = "users"
	stepGroups = "groups"
)

// Check looks at all that a sign-in will need of the directory, short of a
// person.
func (c *Connector) Check(ctx context.Context, r *probe.Report) {
	host, port, _ := net.SplitHostPort(c.cfg.Address())
	t := probe.Target{Host: host, Port: port, Roots: "config.rootCA or config.rootCAData", Setting: "config.host"}
	if !c.cfg.InsecureNoSSL {
		t.TLS, t.Begin = c.tls, c.beginTLS
	}
	if !r.Reach(ctx, t) {
		r.Skip(probe.Credentials, stepUsers, stepGroups)
		return
	}
	conn, err := c.dial(ctx)
	if err == nil {
		defer func() { _ = conn.Close() }()
	}
	bound := r.Do(probe.Credentials, func() (string, error) {
		if err != nil {
			return "", err
		}
		if err := c.otherProtocol(ctx, c.bindSearcher(conn)); err != nil {
			return "", err
		}
		return "the directory accepts the search account", nil
	})
	if !bound {
		r.Skip(stepUsers, stepGroups)
		return
	}
	r.Do(stepUsers, func() (string, error) { return c.checkUsers(conn) })
	r.Do(stepGroups, func() (string, error) { return c.checkGroups(conn) })
}

func (c *Connector) beginTLS(ctx context.Context) (tls.ConnectionState, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return tls.ConnectionState{}, c.otherProtocol(ctx, err)
	}
	defer func() { _ = conn.Close() }()
	state, _ := conn.TLSConnectionState()
	return state, nil
}

// sample looks at a few entries that have one of the attributes. If there are
// none it says so, at key, unless there is nothing at all.
func (c *Connector) sample(conn *ldap.Conn, b branch, key, what string, having, read []string) ([]*ldap.Entry, string, error) {
	const enough = 20
	var filter strings.Builder
	for _, attr := range having {
		fmt.Fprintf(&filter, "(%s=*)", attr)
	}
	found, err := c.search(conn, b, "(|"+filter.String()+")", read, enough)
	more := isSizeLimit(err)
	if err != nil && !more {
		return nil, "", err
	}
	switch n := len(found); {
	case n > 0 && more:
		return found, fmt.Sprintf("more than %d %s are found", n, what), nil
	case n > 0:
		return found, fmt.Sprintf("%d %s are found", n, what), nil
	}
	others, err := c.search(conn, b, "(objectClass=*)", []string{"1.1"}, 2)
	if err != nil && !isSizeLimit(err) {
		return nil, "", err
	}
	for _, e := range others {
		if !strings.EqualFold(e.DN, b.baseDN) {
			return nil, "", fault.New(fault.Precondition, "of the entries below %s none has %s", b.baseDN, strings.Join(having, " or ")).
				Next("check %s, and that the search account may read it", key).At("config." + key)
		}
	}
	return nil, "", probe.Warn("check "+b.key+".baseDN, the filter, and the rights of bindDN", "no %s are found below %s", what, b.baseDN)
}

// attribute is one that entries should have, and the key that names it.
type attribute struct {
	key, name string
	required  bool // to sign in
}

// checkAttributes finds attributes that none of the entries has. That some lack
// one is usual: service accounts have no e-mail address.
func checkAttributes(entries []*ldap.Entry, what string, attributes []attribute) error {
	var lacking error
	for _, a := range attributes {
		n := 0
		for _, e := range entries {
			if first(e, a.name) != "" {
				n++
			}
		}
		remedy := "check " + a.key + ", and that the search account may read it"
		switch {
		case n == 0 && a.required:
			return fault.New(fault.Precondition, "none of the %d %s looked at has the attribute %q", len(entries), what, a.name).
				Next("%s", remedy).At("config." + a.key)
		case n == 0:
			lacking = cmp.Or(lacking, probe.Warn(remedy, "none of the %d %s looked at has the attribute %q", len(entries), what, a.name))
		}
	}
	return lacking
}

func (c *Connector) checkUsers(conn *ldap.Conn) (string, error) {
	u := c.cfg.UserSearch
	people, result, err := c.sample(conn, c.cfg.people(), "userSearch.username", "people", u.Username, c.userAttributes())
	if err != nil {
		return "", err
	}
	want := []attribute{{"userSearch.idAttr", cmp.Or(u.IDAttr, "uid"), true}}
	if u.EmailSuffix == "" {
		want = append(want, attribute{"userSearch.emailAttr", cmp.Or(u.EmailAttr, "mail"), true})
	}
	for _, name := range u.Username {
		want = append(want, attribute{"userSearch.username", name, false})
	}
	for _, a := range []attribute{
		{"userSearch.nameAttr", u.NameAttr, false}, {"userSearch.preferredUsernameAttr", u.PreferredUsernameAttr, false},
	} {
		if a.name != "" {
			want = append(want, a)
		}
	}
	if c.cfg.GroupSearch.BaseDN != "" {
		for _, m := range c.cfg.matchers() {
			want = append(want, attribute{"groupSearch.userMatchers.userAttr", m.UserAttr, false})
		}
	}
	return result, checkAttributes(people, "people", want)
}

func (c *Connector) checkGroups(conn *ldap.Conn) (string, error) {
	if c.cfg.GroupSearch.BaseDN == "" {
		return "", probe.Skip("groupSearch.baseDN is not set, so that groups are not read")
	}
	name := cmp.Or(c.cfg.GroupSearch.NameAttr, "cn")
	read := []string{name}
	var want []attribute
	for _, m := range c.cfg.matchers() {
		for _, a := range []attribute{
			{"groupSearch.userMatchers.groupAttr", m.GroupAttr, false},
			{"groupSearch.userMatchers.recursionGroupAttr", m.RecursionGroupAttr, false},
		} {
			// What follows a colon is a matching rule (RFC 4515, 3).
			if a.name, _, _ = strings.Cut(a.name, ":"); a.name != "" {
				want, read = append(want, a), append(read, a.name)
			}
		}
	}
	groups, result, err := c.sample(conn, c.cfg.groups(), "groupSearch.nameAttr", "groups", []string{name}, read)
	if err != nil {
		return "", err
	}
	return result, checkAttributes(groups, "groups", want)
}
