package idp

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"testing"
)

// rsaPair is a key with a certificate that it has signed itself, as identity
// providers of SAML have them.
type rsaPair struct {
	key             *rsa.PrivateKey
	cert            *x509.Certificate
	keyPEM, certPEM []byte
}

func newRSA(tb testing.TB) rsaPair {
	tb.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: serial(tb), Subject: pkix.Name{CommonName: "An identity provider"}, NotBefore: validFrom, NotAfter: validUntil}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	return rsaPair{
		key, cert,
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
	}
}
