package dex

import (
	"cmp"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	dexconn "github.com/dexidp/dex/connector"
	"github.com/dexidp/dex/connector/authproxy"

	"pachyderm/internal/connector/probe"
	"pachyderm/internal/fault"
)

type authproxyDoc struct {
	UserIDHeader         string   `json:"userIDHeader" doc:"header with the user ID, such as X-Remote-User-Id; default: the user name"`
	UserHeader           string   `json:"userHeader" doc:"header with the user name; default: X-Remote-User"`
	UserNameHeader       string   `json:"userNameHeader" doc:"header with the short name, such as X-Remote-User-Name; default: the user name"`
	EmailHeader          string   `json:"emailHeader" doc:"header with the address, such as X-Remote-User-Email; default: the user name"`
	GroupHeader          string   `json:"groupHeader" doc:"header with the groups, such as X-Remote-Group; default: groups are not read"`
	GroupHeaderSeparator string   `json:"groupHeaderSeparator" doc:"separator between groups; default: a comma"`
	Groups               []string `json:"staticGroups" doc:"groups that everyone who signs in this way is in"`
}

func (c *authproxyDoc) open(id string, d Deps) (dexconn.Connector, error) {
	if len(d.TrustedProxies) == 0 {
		return nil, fault.New(fault.Precondition, "authproxy is off, since anybody who reaches pachd could claim to be anybody").
			Next("name the addresses of the proxies in trustedProxies of pachd's configuration").At("type")
	}
	// Dex would believe its standard names too, which a proxy that knows nothing
	// of them lets through from anybody.
	const nobodySends = "-"
	out := authproxy.Config{
		UserIDHeader: cmp.Or(c.UserIDHeader, nobodySends), UserHeader: c.UserHeader, UserNameHeader: cmp.Or(c.UserNameHeader, nobodySends),
		EmailHeader: cmp.Or(c.EmailHeader, nobodySends), GroupHeader: cmp.Or(c.GroupHeader, nobodySends),
		GroupHeaderSeparator: c.GroupHeaderSeparator, Groups: c.Groups,
	}
	inner, err := out.Open(id, d.Log)
	if err != nil {
		return nil, err
	}
	headers := nonEmpty(c.UserIDHeader, cmp.Or(c.UserHeader, "X-Remote-User"), c.UserNameHeader, c.EmailHeader, c.GroupHeader)
	for n, h := range headers {
		headers[n] = http.CanonicalHeaderKey(h)
	}
	return &proxied{inner.(dexconn.CallbackConnector), d.TrustedProxies, headers}, nil
}

func (*authproxyDoc) site() probe.Site { return probe.Site{} }

// proxied believes headers only if a trusted proxy sent them, and each only once.
type proxied struct {
	dexconn.CallbackConnector
	trusted []netip.Prefix
	headers []string // in their canonical form
}

func (p *proxied) HandleCallback(s dexconn.Scopes, data []byte, r *http.Request) (dexconn.Identity, error) {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !slices.ContainsFunc(p.trusted, func(t netip.Prefix) bool { return t.Contains(from.Addr().Unmap()) }) {
		return dexconn.Identity{}, fault.New(fault.Denied,
			"this address is for a proxy that signs people in, and the request did not come from one").
			Next("use the address of the proxy").Because(err)
	}
	for name, values := range r.Header {
		// What stands twice, or is the same but for an underscore, may come from
		// the person and not from the proxy.
		plain := http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))
		if slices.Contains(p.headers, plain) && (len(values) > 1 || plain != name) {
			return dexconn.Identity{}, fault.New(fault.Denied, "the header %s came in more than one form", plain).
				Next("have the proxy remove what people send under this name")
		}
	}
	r = r.Clone(r.Context())
	for name := range r.Header {
		if !slices.Contains(p.headers, name) {
			delete(r.Header, name)
		}
	}
	return p.CallbackConnector.HandleCallback(s, data, r)
}
