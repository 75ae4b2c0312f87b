package saml

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"pachyderm/internal/connector/probe"
	"pachyderm/internal/connector/saml/signed"
	"pachyderm/internal/fetch"
)

// expiresSoon is when the provider's signing certificate is worth a warning.
const expiresSoon = 21 * 24 * time.Hour

// Check looks at all that a sign-in will need of the provider, short of a
// person. Whether the provider knows us, only a sign-in tells.
func (c *Connector) Check(ctx context.Context, r *probe.Report) {
	from := cmp.Or(c.cfg.MetadataURL, c.cfg.SSOURL)
	if from != "" && !r.Reach(ctx, probe.OfURL(from, c.roots, "config.rootCAs", "config.metadataURL or config.ssoURL")) {
		r.Skip(probe.Discovery, probe.Issuer, probe.Keys, probe.Callback)
		return
	}
	known := r.Do(probe.Discovery, func() (string, error) { return c.checkMetadata(ctx) })
	if !known {
		r.Skip(probe.Issuer, probe.Keys, probe.Callback)
		return
	}
	r.Do(probe.Issuer, func() (string, error) { return c.checkName(ctx) })
	r.Do(probe.Keys, func() (string, error) { return c.checkCertificates(ctx) })
	r.Do(probe.Callback, func() (string, error) {
		return "", probe.Skip(
			"the provider must have %s as assertion consumer service, and %s as entity id: test-connector shows whether it does",
			c.cfg.RedirectURI, c.cfg.entityID())
	})
}

func (c *Connector) checkMetadata(ctx context.Context) (string, error) {
	if c.cfg.SSOURL == "" {
		if _, err := c.meta.Renew(ctx); err != nil {
			return "", err
		}
	}
	binding, address, err := c.endpoint(ctx)
	if err != nil {
		return "", err
	}
	if m, err := c.provider(ctx); err == nil && m.WantsSigned {
		return "", probe.Warn("switch WantAuthnRequestsSigned off for this application, if test-connector does not get through",
			"the provider asks for signed requests, which this server does not send")
	}
	return fmt.Sprintf("people sign in at %s (%s)", address, binding[strings.LastIndex(binding, ":")+1:]), nil
}

func (c *Connector) checkName(ctx context.Context) (string, error) {
	m, err := c.provider(ctx)
	switch {
	case err != nil:
		return "", err
	case m.EntityID == "":
		return "", probe.Warn("set ssoIssuer, so that no other provider with this certificate is accepted",
			"the connector does not have the provider's entity ID")
	}
	return "the provider's entity ID is " + fetch.Clean(m.EntityID), nil
}

func (c *Connector) checkCertificates(ctx context.Context) (string, error) {
	certs, err := c.signers(ctx)
	if err != nil {
		return "", err
	}
	now := c.deps.Now()
	current := slices.DeleteFunc(slices.Clone(certs), func(cert *x509.Certificate) bool { return !signed.IsCurrent(cert, now) })
	if len(current) == 0 {
		return "", signed.Outdated(certs[0], now)
	}
	last := slices.MaxFunc(current, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
	text := fmt.Sprintf("%d signing certificates, the last valid until %s", len(current), last.NotAfter.UTC().Format("2006-01-02"))
	if last.NotAfter.Sub(now) < expiresSoon {
		return "", probe.Warn("have the provider announce a new certificate in its metadata", "%s", text)
	}
	return text, nil
}
