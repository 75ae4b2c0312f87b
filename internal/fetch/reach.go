package fetch

import (
	"crypto/x509"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// Reach is how far connections go. None goes to link-local addresses and to those of
// metadata services.
type Reach int

// The zero value is Anywhere. PublicOnly is for documents of people who are nobody
// here: neither this machine nor a private network.
const (
	Anywhere Reach = iota
	PublicOnly
)

// New makes a client that goes no further, and spends at most timeout on a request,
// the answer included. Nil roots are the system's.
func (r Reach) New(roots *x509.CertPool, timeout time.Duration) *Client {
	return newClient(roots, timeout, r.Dialer(timeout/2))
}

// Dialer connects to the same addresses only, for protocols other than HTTP.
func (r Reach) Dialer(timeout time.Duration) *net.Dialer {
	return &net.Dialer{Timeout: timeout, Control: r.guardAddress}
}

// HTTPClient is a client with the same rules, for libraries that want one.
func (r Reach) HTTPClient(timeout time.Duration) *http.Client { return r.New(nil, timeout).http }

// Allows reports whether a connection may go to an address.
func (r Reach) Allows(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	return !isForbidden(ip) && (r == Anywhere || !isPrivate(ip))
}

// private stands for an address that whoever may not connect to it is not told.
const private = "a private address"

// guardAddress sees the address after the name is resolved, so that a name
// cannot change its meaning between a check and the connection.
func (r Reach) guardAddress(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	switch {
	case err != nil:
		return err
	case r.Allows(to.Addr()):
		return nil
	case r == PublicOnly:
		return &addressError{private}
	}
	return &addressError{to.Addr().Unmap().WithZone("").String()}
}

// isPrivate reports whether an address is of this machine or of a network that the
// internet does not reach: RFC 1918, RFC 4193, RFC 6598 and others of RFC 6890.
func isPrivate(ip netip.Addr) bool {
	if ip.IsLoopback() || ip.IsPrivate() {
		return true
	}
	for _, special := range []string{"100.64.0.0/10", "192.0.0.0/24", "198.18.0.0/15", "240.0.0.0/4", "fec0::/10"} {
		if netip.MustParsePrefix(special).Contains(ip) {
			return true
		}
	}
	return false
}
