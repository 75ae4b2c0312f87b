package client

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// DefaultPort is where pachd serves gRPC.
const DefaultPort = 30650

// Address is where a pachd listens.
type Address struct {
	// TLS is set for grpcs.
	TLS  bool
	Host string
	Port int
	// Path is the socket's of an address such as unix:///run/pachd.sock.
	Path string
}

// ParseAddress reads [scheme://]host[:port] with the scheme grpc (as good as
// none, or http), grpcs (as good as https) or unix.
func ParseAddress(s string) (Address, error) {
	text := strings.TrimSpace(s)
	if text == "" {
		return Address{}, errors.New("the address of pachd is empty: use one such as grpc://localhost:30650")
	}
	if ip := net.ParseIP(text); ip != nil && strings.Contains(text, ":") {
		text = "[" + text + "]"
	}
	if !strings.Contains(text, "://") && !strings.HasPrefix(text, "unix:") {
		text = "grpc://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		// Its text is not repeated: it may hold a password.
		return Address{}, errors.New("the address of pachd cannot be read: use one such as grpc://localhost:30650")
	}
	switch {
	case u.User != nil:
		return Address{}, errors.New("the address of pachd must not hold a user name or password: remove what stands before the @")
	case u.RawQuery != "" || u.ForceQuery:
		return Address{}, fmt.Errorf("the address %q must not hold a query: remove the ? and what follows", s)
	case u.Fragment != "" || strings.Contains(text, "#"):
		return Address{}, fmt.Errorf("the address %q must not hold a fragment: remove the # and what follows", s)
	case u.Scheme == "unix":
		return unixAddress(s, u)
	case u.Path != "":
		return Address{}, fmt.Errorf("the address %q must not hold a path: remove %s", s, u.Path)
	}
	return hostAddress(s, u)
}

func unixAddress(s string, u *url.URL) (Address, error) {
	path := cmp.Or(u.Opaque, u.Path)
	if path == "" || u.Host != "" {
		return Address{}, fmt.Errorf("the address %q names no socket: use one such as unix:///run/pachd.sock", s)
	}
	return Address{Path: path}, nil
}

func hostAddress(s string, u *url.URL) (Address, error) {
	a := Address{Host: u.Hostname(), Port: DefaultPort}
	switch u.Scheme {
	case "grpc", "http":
	case "grpcs", "https":
		a.TLS = true
	default:
		return Address{}, fmt.Errorf("the address %q begins with %s://: use grpc://, grpcs://, http://, https:// or unix://", s, u.Scheme)
	}
	if a.Host == "" {
		return Address{}, fmt.Errorf("the address %q has no host: use one such as grpc://localhost:30650", s)
	}
	if p := u.Port(); p != "" {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return Address{}, fmt.Errorf("the address %q has the port %s: use one from 1 to 65535", s, p)
		}
		a.Port = int(n)
	}
	return a, nil
}

// String is the qualified form, as configuration files keep it.
func (a Address) String() string {
	if a.Path != "" {
		return "unix:" + socket(a.Path)
	}
	scheme := "grpc"
	if a.TLS {
		scheme = "grpcs"
	}
	return scheme + "://" + net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
}

// target is the address in gRPC's notation.
func (a Address) target() string {
	if a.Path != "" {
		return "unix:" + socket(a.Path)
	}
	return "dns:///" + net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
}

func socket(path string) string {
	if strings.HasPrefix(path, "/") {
		return "//" + path
	}
	return path
}
