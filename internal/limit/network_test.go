package limit_test

import (
	"net/netip"
	"testing"

	"pachyderm/internal/limit"
)

func TestClient_RightMostHopThatIsNoProxy(t *testing.T) {
	proxies := limit.Proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for name, c := range map[string]struct {
		proxies          limit.Proxies
		peer             string
		forwarded        []string
		address, network string
	}{
		"a peer":                              {proxies, "192.0.2.7:4711", nil, "192.0.2.7", "192.0.2.7"},
		"a peer that claims to be another":    {proxies, "192.0.2.7:4711", []string{"198.51.100.1"}, "192.0.2.7", "192.0.2.7"},
		"no proxy is trusted":                 {nil, "10.0.0.1:4711", []string{"198.51.100.1"}, "10.0.0.1", "10.0.0.1"},
		"by a proxy":                          {proxies, "10.0.0.1:4711", []string{"198.51.100.1"}, "198.51.100.1", "198.51.100.1"},
		"by a proxy, with a claim in front":   {proxies, "10.0.0.1:4711", []string{"203.0.113.5, 198.51.100.1"}, "198.51.100.1", "198.51.100.1"},
		"by two proxies":                      {proxies, "10.0.0.1:4711", []string{"203.0.113.5, 198.51.100.1, 10.9.9.9"}, "198.51.100.1", "198.51.100.1"},
		"in two headers":                      {proxies, "10.0.0.1:4711", []string{"203.0.113.5", "198.51.100.1"}, "198.51.100.1", "198.51.100.1"},
		"with a port":                         {proxies, "10.0.0.1:4711", []string{"198.51.100.1:80"}, "198.51.100.1", "198.51.100.1"},
		"a proxy that says nothing":           {proxies, "10.0.0.1:4711", nil, "10.0.0.1", "10.0.0.1"},
		"a proxy that says nonsense":          {proxies, "10.0.0.1:4711", []string{"198.51.100.1, unknown"}, "10.0.0.1", "10.0.0.1"},
		"IPv6":                                {proxies, "[2001:db8:1:2:3:4:5:6]:4711", nil, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
		"IPv6 by a proxy":                     {proxies, "[fd00::1]:4711", []string{"2001:db8:1:2::7"}, "2001:db8:1:2::7", "2001:db8:1:2::/64"},
		"IPv4 in IPv6":                        {proxies, "[::ffff:192.0.2.7]:4711", nil, "192.0.2.7", "192.0.2.7"},
		"a proxy that is IPv4 in IPv6":        {proxies, "[::ffff:10.0.0.1]:4711", []string{"198.51.100.1"}, "198.51.100.1", "198.51.100.1"},
		"what is no address, as from a pipe":  {proxies, "@", []string{"198.51.100.1"}, "", "unknown"},
		"IPv6 of this link":                   {proxies, "[fe80::1%eth0]:4711", nil, "fe80::1", "fe80::/64"},
		"all hops are proxies":                {proxies, "10.0.0.1:4711", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3", "10.0.0.3"},
		"IPv6 in brackets with a port behind": {proxies, "10.0.0.1:4711", []string{"[2001:db8::7]:443"}, "2001:db8::7", "2001:db8::/64"},
	} {
		got := c.proxies.Client(c.peer, c.forwarded)
		if want := (limit.Client{Address: c.address, Network: c.network}); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}
