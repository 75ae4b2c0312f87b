package saml

import (
	"context"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/beevik/etree"

	"pachyderm/internal/connector/probe"
	"pachyderm/internal/connector/saml/metadata"
	"pachyderm/internal/connector/saml/signed"
	"pachyderm/internal/fault"
)

const (
	// maxMetadata is as much as fetch reads.
	maxMetadata = 1 << 20
	// certificatesPause keeps forged messages from driving us to ask for metadata
	// again and again.
	certificatesPause = 10 * time.Second
)

// Ping asks the provider now for what a sign-in will need of it. Of a provider
// that is described by ssoURL there is nothing to ask.
func (c *Connector) Ping(ctx context.Context) error {
	if c.cfg.SSOURL == "" {
		if _, err := c.meta.Renew(ctx); err != nil {
			return err
		}
	}
	if _, _, err := c.endpoint(ctx); err != nil {
		return err
	}
	certs, err := c.signers(ctx)
	if err != nil {
		return err
	}
	now := c.deps.Now()
	if !slices.ContainsFunc(certs, func(cert *x509.Certificate) bool { return signed.IsCurrent(cert, now) }) {
		return signed.Outdated(certs[0], now)
	}
	return nil
}

// signers are the certificates that the provider may sign with.
func (c *Connector) signers(ctx context.Context) ([]*x509.Certificate, error) {
	m, err := c.provider(ctx)
	if err != nil {
		return nil, err
	}
	certs := slices.Concat(m.Certificates, c.pinned)
	if len(certs) > 0 {
		last := slices.MaxFunc(certs, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
		c.signersEnd.Store(last.NotAfter.Unix())
	}
	return certs, nil
}

// Expiries is connector.Expirer's.
func (c *Connector) Expiries() []probe.Expiry {
	all := probe.ExpiriesOf(c.client.CertificatesEnd())
	if ends := c.signersEnd.Load(); ends != 0 {
		all = append(all, probe.Expiry{What: "signing certificate of the provider", Ends: time.Unix(ends, 0)})
	}
	return all
}

// provider is what is known of it, by metadata or else by the configuration.
// Metadata that outlives an outage does not outlive its own validUntil.
func (c *Connector) provider(ctx context.Context) (*metadata.Document, error) {
	if c.cfg.SSOURL != "" {
		return &metadata.Document{EntityID: c.cfg.SSOIssuer, RedirectURL: c.cfg.SSOURL, PostURL: c.cfg.SSOURL}, nil
	}
	m, err := c.meta.Get(ctx)
	if err != nil {
		return nil, err
	}
	if ended(m, c.deps.Now()) {
		if renewed, ok := c.meta.RenewUnless(ctx, certificatesPause); ok {
			m = renewed
		}
	}
	if ended(m, c.deps.Now()) {
		return nil, fault.New(fault.Precondition, "the provider's metadata was valid until %s", m.ValidUntil.UTC().Format(time.RFC3339)).
			Next("have the provider renew it at metadataURL, or put a newer one into metadataFile or metadata")
	}
	return m, nil
}

func ended(m *metadata.Document, now time.Time) bool {
	return !m.ValidUntil.IsZero() && !now.Before(m.ValidUntil)
}

func (c *Connector) endpoint(ctx context.Context) (binding, address string, err error) {
	m, err := c.provider(ctx)
	if err != nil {
		return "", "", err
	}
	switch {
	case c.cfg.RequestBinding == "redirect" || (c.cfg.RequestBinding == "" && c.cfg.SSOURL == "" && m.RedirectURL != ""):
		binding, address = metadata.Redirect, m.RedirectURL
	default:
		binding, address = metadata.POST, m.PostURL
	}
	if address == "" {
		return "", "", fault.New(fault.Precondition, "the provider's metadata has no address for requestBinding %s", c.cfg.RequestBinding).
			Next("use the other one, or leave it out").At("config.requestBinding")
	}
	return binding, address, nil
}

// verified is signed.Verify with the provider's certificates; those of its
// metadata are renewed if they do not fit, which is what a change looks like.
func (c *Connector) verified(ctx context.Context, el, signature *etree.Element) (*etree.Element, error) {
	certs, err := c.signers(ctx)
	if err != nil {
		return nil, err
	}
	found, err := signed.Verify(el, signature, certs, c.deps.Now())
	if err == nil || c.cfg.SSOURL != "" {
		return found, err
	}
	if _, ok := c.meta.RenewUnless(ctx, certificatesPause); !ok {
		return nil, err
	}
	if certs, err = c.signers(ctx); err != nil {
		return nil, err
	}
	return signed.Verify(el, signature, certs, c.deps.Now())
}

func (c *Connector) loadMetadata(ctx context.Context) (*metadata.Document, error) {
	raw, err := c.readMetadata(ctx)
	if err != nil {
		return nil, err
	}
	return metadata.Parse(raw, c.cfg.SSOIssuer, c.deps.Rules.AllowHTTP)
}

func (c *Connector) readMetadata(ctx context.Context) ([]byte, error) {
	switch {
	case c.cfg.Metadata != "":
		return []byte(c.cfg.Metadata), nil
	case c.cfg.MetadataURL != "":
		return c.client.Get(
			ctx, c.cfg.MetadataURL, "metadata", http.Header{"Accept": {"application/samlmetadata+xml, application/xml;q=0.9, */*;q=0.5"}},
		)
	}
	f, err := os.Open(c.cfg.MetadataFile)
	if err != nil {
		return nil, fault.New(fault.Precondition, "metadataFile cannot be read").
			Next("set it to the path of the provider's metadata on the server").At("config.metadataFile").Because(err)
	}
	defer func() { _ = f.Close() }()
	raw, err := io.ReadAll(io.LimitReader(f, maxMetadata+1))
	if err != nil || len(raw) > maxMetadata {
		return nil, fault.New(fault.Precondition, "metadataFile cannot be read, or is larger than %d KiB", maxMetadata>>10).
			Next("set it to the file with the provider's metadata, and that of no other").
			At("config.metadataFile").Because(err)
	}
	return raw, nil
}
