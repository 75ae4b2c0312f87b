package fetch

import (
	"crypto/x509"
	"fmt"
	"os"
	"strings"

	"pachyderm/internal/fault"
)

// Roots are the system's authorities and those given, each as PEM text or as a
// file that holds it; nil, the system's alone, if none is given. Fault: Invalid,
// at the item of key.
func Roots(key string, authorities ...string) (*x509.CertPool, error) {
	if len(authorities) == 0 {
		return nil, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	for i, ca := range authorities {
		at, text := fmt.Sprintf("%s[%d]", key, i), []byte(ca)
		isText := strings.Contains(ca, "-----BEGIN")
		if !isText {
			if text, err = os.ReadFile(ca); err != nil { //nolint:gosec // an administrator names the file, and only certificates leave it
				return nil, fault.New(fault.Invalid, "the file cannot be read").
					Next("provide a path on the server, or the PEM text itself").At(at).Because(err)
			}
		}
		if pool.AppendCertsFromPEM(text) {
			continue
		}
		if isText {
			return nil, fault.New(fault.Invalid, "this PEM text holds no certificate that can be read").
				Next("provide the CA certificate, beginning with -----BEGIN CERTIFICATE-----").At(at)
		}
		return nil, fault.New(fault.Invalid, "the file holds no PEM certificate").
			Next("provide the CA certificate, beginning with -----BEGIN CERTIFICATE-----").At(at)
	}
	return pool, nil
}
