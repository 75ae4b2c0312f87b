package dial

import (
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"os"
	"strings"

	"pachyderm/internal/fault"
)

// Files are paths of PEM files: the authority of the server's certificate, a certificate
// of ours, and its key; empty for none.
type Files struct{ RootCert, Cert, Key string }

// AddTo adds them to a URL, which is that of a key of the configuration. Fault: Invalid.
func (f Files) AddTo(u *url.URL, key string) error {
	given := u.Query()
	set := func(parameter, value string) {
		// As libpq, pgx reads a "+" as itself.
		value = strings.ReplaceAll(url.QueryEscape(value), "+", "%20")
		u.RawQuery = strings.TrimPrefix(u.RawQuery+"&"+parameter+"="+value, "&")
	}
	for _, file := range []struct{ path, key, parameter string }{
		{f.RootCert, "database.sslRootCert", "sslrootcert"}, {f.Cert, "database.sslCert", "sslcert"}, {f.Key, "database.sslKey", "sslkey"},
	} {
		if file.path == "" {
			continue
		}
		if _, err := os.ReadFile(file.path); err != nil {
			return fault.New(fault.Invalid, "%s: the file cannot be read", file.key).
				Next("check its path and who may read it").At(file.key).Because(err)
		}
		if given.Has(file.parameter) {
			return fault.New(fault.Invalid, "%s: it stands in %s as well, as %s", file.key, key, file.parameter).Next("remove one").At(file.key)
		}
		set(file.parameter, file.path)
	}
	if f.RootCert != "" && !given.Has("sslmode") {
		set("sslmode", "verify-full")
	}
	return nil
}

// Refused says what may be wrong with files that can be read, where pgx does not take
// them, or is nil. A key may have a password, so nobody else judges it before.
// Fault: Invalid.
func (f Files) Refused() error {
	if f.RootCert != "" {
		content, err := os.ReadFile(f.RootCert)
		if err != nil || !x509.NewCertPool().AppendCertsFromPEM(content) {
			return fault.New(fault.Invalid, "database.sslRootCert: no certificate is in the file").Next("write CA certificates in PEM into it").
				At("database.sslRootCert").Because(err)
		}
	}
	if f.Cert != "" {
		if _, err := tls.LoadX509KeyPair(f.Cert, f.Key); err != nil {
			return fault.New(fault.Invalid, "database.sslCert: the certificate and database.sslKey do not belong together").
				Next("write a certificate and its private key in PEM into the two files").At("database.sslCert").Because(err)
		}
	}
	return nil
}
