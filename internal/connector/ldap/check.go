package ldap

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"

	"github.com/go-ldap/ldap/v3"

	"pachyderm/internal/connector/probe"
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
		t.TLS = c.tls
	}
	if c.cfg.StartTLS {
		t.StartTLS = c.beginTLS
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
		if err := c.bindSearcher(conn); err != nil {
			return "", err
		}
		return "the directory accepts the search account", nil
	})
	if !bound {
		r.Skip(stepUsers, stepGroups)
		return
	}
	r.Do(stepUsers, func() (string, error) {
		return c.count(conn, c.cfg.people(), "("+c.cfg.UserSearch.Username[0]+"=*)", "people")
	})
	r.Do(stepGroups, func() (string, error) {
		if c.cfg.GroupSearch.BaseDN == "" {
			return "", probe.Skip("groupSearch.baseDN is not set, so that groups are not read")
		}
		return c.count(conn, c.cfg.groups(), "("+cmp.Or(c.cfg.GroupSearch.NameAttr, "cn")+"=*)", "groups")
	})
}

func (c *Connector) beginTLS(ctx context.Context) (tls.ConnectionState, error) {
	conn, err := c.dialStartTLS(ctx)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer func() { _ = conn.Close() }()
	state, _ := conn.TLSConnectionState()
	return state, nil
}

// count looks for a few entries: that there are some is what matters.
func (c *Connector) count(conn *ldap.Conn, b branch, filter, what string) (string, error) {
	const enough = 3
	found, err := c.search(conn, b, filter, []string{"1.1"}, enough)
	switch n := len(found); {
	case isSizeLimit(err):
		return fmt.Sprintf("more than %d %s are found", enough, what), nil
	case err != nil:
		return "", err
	case n == 0:
		return "", probe.Warn("check "+b.key+".baseDN, the filter, and the rights of bindDN", "no %s are found below %s", what, b.baseDN)
	default:
		return fmt.Sprintf("%d %s are found", n, what), nil
	}
}
