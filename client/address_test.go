package client_test

import (
	"strings"
	"testing"

	"pachyderm/client"
)

func TestParseAddress(t *testing.T) {
	for in, want := range map[string]string{
		"localhost":              "grpc://localhost:30650",
		"localhost:1650":         "grpc://localhost:1650",
		"localhost:":             "grpc://localhost:30650",
		"grpc://pachd:1":         "grpc://pachd:1",
		"http://pachd:80":        "grpc://pachd:80",
		"grpcs://pachd":          "grpcs://pachd:30650",
		"https://pachd:443":      "grpcs://pachd:443",
		"HTTPS://pachd:443":      "grpcs://pachd:443",
		" 10.0.0.1:30650\n":      "grpc://10.0.0.1:30650",
		"::1":                    "grpc://[::1]:30650",
		"[::1]:1650":             "grpc://[::1]:1650",
		"unix:///run/pachd.sock": "unix:///run/pachd.sock",
		"unix:/run/pachd.sock":   "unix:///run/pachd.sock",
		"unix:pachd.sock":        "unix:pachd.sock",
	} {
		a, err := client.ParseAddress(in)
		if err != nil || a.String() != want {
			t.Errorf("ParseAddress(%q) = %q, %v, want %q", in, a, err, want)
			continue
		}
		if again, err := client.ParseAddress(a.String()); err != nil || again != a {
			t.Errorf("%q is not read as it was written: %v, %v", a, again, err)
		}
	}
}

func TestParseAddress_Refused(t *testing.T) {
	for in, want := range map[string]string{
		"":                        "empty",
		"  ":                      "empty",
		"grpc://":                 "no host",
		"grpc://:30650":           "no host",
		"alice:hunter2@pachd":     "user name",
		"grpc://alice@pachd:1":    "user name",
		"pachd/":                  "path",
		"https://pachd/dex":       "path",
		"pachd?x=1":               "query",
		"pachd?":                  "query",
		"pachd#x":                 "fragment",
		"pachd#":                  "fragment",
		"ftp://pachd":             "ftp://",
		"pachd:0":                 "65535",
		"pachd:65536":             "65535",
		"pachd:port":              "cannot be read",
		"unix://":                 "no socket",
		"unix://host/x":           "no socket",
		"alice:hunter2%zz@pachd:": "cannot be read",
	} {
		a, err := client.ParseAddress(in)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseAddress(%q) = %q, %v, want an error with %q", in, a, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the password is in the error: %v", err)
		}
	}
}
