package fetch

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// Untrusted says why a certificate was refused and what to do about it, or ""
// if err has another cause: roots is the key that authorities are added to,
// setting what names the host.
func Untrusted(err error, roots, setting string) string {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		broken    x509.CertificateInvalidError
		other     *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &authority):
		return "an authority unknown here" + issuer(authority.Cert) + " signed it; add that CA's certificate to " + roots
	case errors.As(err, &name):
		return madeOutTo(name.Certificate) + "; check " + setting
	case errors.As(err, &broken) && broken.Reason == x509.Expired:
		return validity(broken.Cert)
	case errors.As(err, &other):
		return "it cannot be verified"
	}
	return ""
}

func issuer(c *x509.Certificate) string {
	if c == nil || len(c.Issuer.Names) == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s)", Clean(c.Issuer.String()))
}

// madeOutTo lists the names that count, of which the common name is none
// (RFC 9525, 2).
func madeOutTo(c *x509.Certificate) string {
	const enough = 5
	if c == nil {
		return "it is made out to another name"
	}
	names := c.DNSNames
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	switch more := len(names) - enough; {
	case len(names) == 0:
		return "it has no name of a host (subjectAltName), and its common name does not count"
	case more > 0:
		return fmt.Sprintf("it is made out to another name: %s and %d more", Clean(strings.Join(names[:enough], ", ")), more)
	}
	return "it is made out to another name: " + Clean(strings.Join(names, ", "))
}

// validity tells the dates of the certificate that has expired, which need not be
// the server's own.
func validity(c *x509.Certificate) string {
	const remedy = "renew it, and check this server's clock"
	if c == nil {
		return "it has expired or is not yet valid; " + remedy
	}
	which := "it"
	if c.IsCA {
		which = "that of its authority " + Clean(c.Subject.String())
	}
	const minutes = "2006-01-02 15:04 UTC"
	return fmt.Sprintf("%s has expired or is not yet valid (valid from %s until %s); %s",
		which, c.NotBefore.UTC().Format(minutes), c.NotAfter.UTC().Format(minutes), remedy)
}
