package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/go-ldap/ldap/v3"

	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
)

// lookWithin bounds a look at what a port speaks.
const lookWithin = 3 * time.Second

// otherProtocol is err, which may be nil, or says if no conversation began because
// the port speaks the other of LDAP and LDAPS. It says nothing there that anybody
// may not hear. Sign-ins do not ask: whoever is in trouble gets no second
// connection for each of them.
func (c *Connector) otherProtocol(ctx context.Context, err error) error {
	var network *net.OpError
	var answered *ldap.Error
	switch {
	case err == nil || untrusted(err) != "":
		return err
	case errors.As(err, &network) && network.Op == "dial":
		return err
	case errors.As(err, &answered) && answered.ResultCode < ldap.ErrorNetwork: // in LDAP (RFC 4511, A)
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	switch {
	case c.cfg.StartTLS && c.beginsTLS(ctx):
		return c.wantsTLS("config.startTLS")
	case c.cfg.InsecureNoSSL && c.beginsTLS(ctx):
		return c.wantsTLS("config.insecureNoSSL")
	case !c.cfg.StartTLS && !c.cfg.InsecureNoSSL && c.speaksPlain(ctx):
		return fault.New(fault.Precondition, "the directory at %s speaks plain LDAP on this port, not LDAPS", c.cfg.Address()).
			Next("put its port for LDAPS, usually 636, into config.host, or set startTLS to true").At("config.host").Because(err)
	}
	return err
}

func (c *Connector) wantsTLS(key string) error {
	return fault.New(fault.Precondition, "the directory at %s speaks LDAPS on this port: TLS comes before anything else", c.cfg.Address()).
		Next("remove startTLS and insecureNoSSL, or put its port for LDAP, usually 389, into config.host").At(key)
}

// beginsTLS makes a handshake with whoever is there, and says nothing after it.
func (c *Connector) beginsTLS(ctx context.Context) bool {
	d := tls.Dialer{NetDialer: fetch.Dialer(lookWithin), Config: &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: c.tls.ServerName, InsecureSkipVerify: true, //nolint:gosec // nothing is said
	}}
	conn, err := d.DialContext(ctx, "tcp", c.cfg.Address())
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// speaksPlain asks for the root DSE, which anybody may read (RFC 4512, 5.1).
func (c *Connector) speaksPlain(ctx context.Context) bool {
	raw, err := fetch.Dialer(lookWithin).DialContext(ctx, "tcp", c.cfg.Address())
	if err != nil {
		return false
	}
	conn := ldap.NewConn(raw, false)
	conn.Start()
	defer func() { _ = conn.Close() }()
	conn.SetTimeout(lookWithin)
	_, err = conn.Search(&ldap.SearchRequest{Scope: ldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{"1.1"}})
	var refused *ldap.Error
	return err == nil || errors.As(err, &refused) && refused.ResultCode < ldap.ErrorNetwork
}
