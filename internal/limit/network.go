package limit

import (
	"context"
	"net/netip"
	"slices"
	"strings"
)

// Client is who sent a request.
type Client struct {
	// Address is the client's, without a port; empty if it is not known.
	Address string
	// Network is what limits count: an IPv4 address, or the first 64 bits of an
	// IPv6 address, of which whoever has one has them all.
	Network string
}

// Proxies are the networks of the proxies whose X-Forwarded-For is believed.
type Proxies []netip.Prefix

func (p Proxies) trust(a netip.Addr) bool {
	return slices.ContainsFunc(p, func(n netip.Prefix) bool { return n.Contains(a) })
}

// Client finds who sent a request: peer is the address of the connection, and
// forwarded are the values of X-Forwarded-For, each of which may be a list. The
// client is the last hop that no trusted proxy has; what stands in front of it
// anybody may have written.
func (p Proxies) Client(peer string, forwarded []string) Client {
	a, ok := address(peer)
	if !ok {
		return Client{Network: "unknown"}
	}
	hops := strings.Split(strings.Join(forwarded, ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !p.trust(a) {
			break
		}
		before, ok := address(strings.TrimSpace(hop))
		if !ok {
			break
		}
		a = before
	}
	return Client{Address: a.String(), Network: network(a)}
}

// address reads one with or without a port.
func address(s string) (netip.Addr, bool) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	a, err := netip.ParseAddr(s)
	return a.Unmap().WithZone(""), err == nil
}

func network(a netip.Addr) string {
	if a.Is4() {
		return a.String()
	}
	p, err := a.Prefix(64)
	if err != nil {
		return a.String()
	}
	return p.String()
}

type clientKey struct{}

// NewContext gives the context of a client's request.
func NewContext(ctx context.Context, c Client) context.Context {
	return context.WithValue(ctx, clientKey{}, c)
}

// FromContext is who sent a request, if that is known.
func FromContext(ctx context.Context) (Client, bool) {
	c, ok := ctx.Value(clientKey{}).(Client)
	return c, ok
}

// AddressOf is the address that a request came from, or "".
func AddressOf(ctx context.Context) string {
	c, _ := FromContext(ctx)
	return c.Address
}

// NetworkOf is the network that a request came from, or "" for pachd itself.
func NetworkOf(ctx context.Context) string {
	c, _ := FromContext(ctx)
	return c.Network
}
