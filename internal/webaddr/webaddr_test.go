package webaddr_test

import (
	"testing"

	"pachyderm/internal/fault"
	"pachyderm/internal/webaddr"
)

func TestParse(t *testing.T) {
	for _, raw := range []string{
		"https://id.example.com", "http://localhost:5556/dex?x=y", "https://[::1]:8443/", "HTTPS://id.example.com",
	} {
		if _, err := webaddr.Parse(raw); err != nil {
			t.Errorf("%q: %v", raw, err)
		}
	}
	for _, raw := range []string{
		"", "id.example.com", "/callback", "//id.example.com", "https:", "https://", "https://:443", "https:id.example.com",
		"ftp://id.example.com", "file:///etc/passwd", "javascript:alert(1)", "https://%zz", "https://a b.example.com", "https://x\n.example.com",
	} {
		_, err := webaddr.Parse(raw)
		if !fault.Is(err, fault.Invalid) || fault.NextOf(err) == "" {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

func TestRules(t *testing.T) {
	for raw, want := range map[string]struct{ bare, query, safe, withHTTP bool }{
		"https://id.example.com/a":        {true, false, true, true},
		"http://id.example.com/a":         {true, false, false, true},
		"http://localhost:5556":           {true, false, true, true},
		"http://[::1]:5556":               {true, false, true, true},
		"http://localhost.evil.test":      {true, false, false, true},
		"https://alice@id.example.com":    {false, false, true, true},
		"https://alice:pw@id.example.com": {false, false, true, true},
		"https://id.example.com#a":        {false, false, true, true},
		"https://id.example.com#":         {false, false, true, true},
		"https://id.example.com?a=b":      {true, true, true, true},
		"https://id.example.com?":         {true, true, true, true},
	} {
		u, err := webaddr.Parse(raw)
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		if got := webaddr.IsBare(u); got != want.bare {
			t.Errorf("IsBare(%s) = %v", raw, got)
		}
		if got := webaddr.HasQuery(u); got != want.query {
			t.Errorf("HasQuery(%s) = %v", raw, got)
		}
		if got := webaddr.IsSafe(u, false); got != want.safe {
			t.Errorf("IsSafe(%s, false) = %v", raw, got)
		}
		if got := webaddr.IsSafe(u, true); got != want.withHTTP {
			t.Errorf("IsSafe(%s, true) = %v", raw, got)
		}
	}
}

func TestIsLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST": true, "localhost.": true, "dex.localhost": true,
		"127.0.0.1": true, "127.8.9.10": true, "::1": true, "::ffff:127.0.0.1": true,
		"": false, "0.0.0.0": false, "::": false, "10.0.0.1": false, "localhost.evil.test": false, "notlocalhost": false,
		"127.0.0.1.evil.test": false,
		"169.254.0.1":         false, "[::1]": false,
	} {
		if got := webaddr.IsLoopback(host); got != want {
			t.Errorf("IsLoopback(%q) = %v", host, got)
		}
	}
}

func TestIsOpenable(t *testing.T) {
	for raw, want := range map[string]bool{
		"https://id.example.com/a?b=c#d": true, "http://localhost:5556": true,
		"https://alice@id.example.com": false, "javascript:alert(1)": false, "file:///etc/passwd": false, "id.example.com": false, "": false,
	} {
		if got := webaddr.IsOpenable(raw); got != want {
			t.Errorf("%q: %v", raw, got)
		}
	}
}

func TestWithoutPort(t *testing.T) {
	for address, want := range map[string]string{"192.0.2.7:443": "192.0.2.7", "[2001:db8::7]:443": "2001:db8::7", "bufconn": "bufconn", "": ""} {
		if got := webaddr.WithoutPort(address); got != want {
			t.Errorf("%q: %q, want %q", address, got, want)
		}
	}
}
