package saml

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"strings"
	"unicode"

	"pachyderm/internal/connector/fetch"
	"pachyderm/internal/connector/saml/metadata"
	"pachyderm/internal/fault"
)

// Config is what stands under config: in a connector document of type saml. The
// provider is described by one of metadataURL, metadataFile and metadata or, as
// Dex has it, by ssoURL with ca or caData.
type Config struct {
	MetadataURL  string   `json:"metadataURL" doc:"where the provider publishes its metadata, which brings its address and its certificates, also those of a change to come"`
	MetadataFile string   `json:"metadataFile" rule:"file" doc:"file on the server that holds the metadata"`
	Metadata     string   `json:"metadata" rule:"lines" doc:"the metadata itself, as text"`
	RootCAs      []string `json:"rootCAs" rule:"file" doc:"CA certificates to trust beside the system's when metadataURL is fetched, as PEM text or as files on the server that hold it"`

	SSOURL    string `json:"ssoURL" doc:"where people are sent to sign in, if there is no metadata"`
	SSOIssuer string `json:"ssoIssuer" doc:"the provider's entity ID; with metadata of several providers it says which one is meant"`
	// The certificates of CA and CAData are trusted by themselves: not whatever
	// they have signed.
	CA     string `json:"ca" rule:"file" doc:"file on the server with the certificates that the provider signs with, in PEM"`
	CAData string `json:"caData" rule:"lines" doc:"the certificates that the provider signs with, as PEM text or as base64 of it"`

	RedirectURI        string `json:"redirectURI" rule:"required" doc:"our callback, where the provider has the browser post its answer; pachctl idp callback prints it"`
	EntityIssuer       string `json:"entityIssuer" doc:"our own entity ID, for which assertions must be meant; redirectURI unless given"`
	NameIDPolicyFormat string `json:"nameIDPolicyFormat" doc:"kind of NameID that is asked for, by its short name or its URN; persistent unless given"`
	RequestBinding     string `json:"requestBinding" oneof:"redirect post" doc:"how the request travels; redirect if the metadata offers it, and otherwise post, unless given"`

	EmailAttr string `json:"emailAttr" rule:"required" doc:"attribute with the e-mail address; NameID stands for the NameID itself, here and in the other three"`
	// UsernameAttr is the user id where the provider sends no NameID, or one that
	// is new each time.
	UsernameAttr  string   `json:"usernameAttr" doc:"attribute with the user name, which identifies a person if the NameID cannot"`
	NameAttr      string   `json:"nameAttr" doc:"attribute with the name to show"`
	GroupsAttr    string   `json:"groupsAttr" doc:"attribute with the groups; without it nothing is known of groups"`
	GroupsDelim   string   `json:"groupsDelim" doc:"what stands between groups, where one value of groupsAttr holds several"`
	AllowedGroups []string `json:"allowedGroups" doc:"groups whose members may sign in; anybody there unless given"`
	FilterGroups  bool     `json:"filterGroups" doc:"of a person's groups take those in allowedGroups only"`

	// InsecureSkipSignatureValidation is known only to be refused.
	InsecureSkipSignatureValidation bool `json:"insecureSkipSignatureValidation" doc:"not offered: it would let anybody sign in as anybody"`
}

// Validate checks the document by itself. The callback is our issuer +
// "/callback", where browsers come back to. Its errors are faults of kind
// Invalid that name the key.
func (c Config) Validate(callback string, allowHTTP bool) error {
	if err := c.check(allowHTTP); err != nil {
		return err
	}
	return c.checkRedirect(callback)
}

func (c Config) check(allowHTTP bool) error {
	if c.InsecureSkipSignatureValidation {
		return invalid("insecureSkipSignatureValidation", "insecureSkipSignatureValidation is true, which would let anybody sign in as anybody").
			Next("remove it, and give the provider's metadata or its signing certificate in caData")
	}
	for _, check := range []func() error{
		c.checkTexts,
		func() error { return c.checkSource(allowHTTP) },
		c.checkCertificates,
		c.checkRequest,
		c.checkAttributes,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (c Config) checkTexts() error {
	for _, f := range []struct {
		key, value string
		required   bool
	}{
		{"redirectURI", c.RedirectURI, true},
		{"emailAttr", c.EmailAttr, true},
		{"metadataURL", c.MetadataURL, false},
		{"metadataFile", c.MetadataFile, false},
		{"ssoURL", c.SSOURL, false},
		{"ssoIssuer", c.SSOIssuer, false},
		{"ca", c.CA, false},
		{"entityIssuer", c.EntityIssuer, false},
		{"usernameAttr", c.UsernameAttr, false},
		{"nameAttr", c.NameAttr, false},
		{"groupsAttr", c.GroupsAttr, false},
	} {
		if f.value == "" && f.required {
			return invalid(f.key, "%s is missing: a saml connector needs redirectURI, emailAttr and the provider's metadata (metadataURL, metadataFile or metadata) or ssoURL with caData", f.key)
		}
		if strings.ContainsFunc(f.value, unicode.IsControl) || strings.TrimSpace(f.value) != f.value {
			return invalid(f.key, "%s begins or ends with white space or contains a control character", f.key).
				Next("copy it again")
		}
	}
	return nil
}

// checkSource wants one description of the provider, since of two that differ
// one would silently be ignored.
func (c Config) checkSource(allowHTTP bool) error {
	var given []string
	for _, f := range []struct{ key, value string }{
		{"metadataURL", c.MetadataURL}, {"metadataFile", c.MetadataFile}, {"metadata", c.Metadata}, {"ssoURL", c.SSOURL},
	} {
		if f.value != "" {
			given = append(given, f.key)
		}
	}
	switch {
	case len(given) == 0:
		return invalid("metadataURL", "nothing says which provider is meant").
			Next("give metadataURL, metadataFile, metadata, or ssoURL with caData")
	case len(given) > 1:
		return invalid(given[1], "%s describe the provider more than once", strings.Join(given, " and ")).
			Next("keep one of them")
	case c.SSOURL != "" && c.CA == "" && c.CAData == "":
		return invalid("caData", "caData is missing").
			Next("with ssoURL give the certificate that the provider signs with in caData, or its file in ca; metadataURL would bring it by itself")
	case len(c.RootCAs) > 0 && c.MetadataURL == "":
		return invalid("rootCAs", "rootCAs is for fetching metadataURL, which is not given").
			Next("remove it; the certificate that signs assertions belongs into caData")
	}
	for _, f := range []struct{ key, value string }{{"metadataURL", c.MetadataURL}, {"ssoURL", c.SSOURL}} {
		if f.value == "" {
			continue
		}
		u, err := fetch.ParseURL(f.key, f.value)
		if err != nil {
			return err
		}
		if !metadata.IsSafe(u, allowHTTP) {
			return invalid(f.key, "%s is %s: only https is accepted, except on this machine itself", f.key, f.value)
		}
	}
	if c.Metadata == "" {
		return nil
	}
	_, err := metadata.Parse([]byte(c.Metadata), c.SSOIssuer, allowHTTP)
	if err != nil {
		return fault.As(fault.Invalid, err).At("config.metadata")
	}
	return nil
}

func (c Config) checkCertificates() error {
	if c.CAData != "" {
		if _, err := parsePEM("caData", c.CAData); err != nil {
			return err
		}
	}
	_, err := c.roots()
	return err
}

func (c Config) checkRequest() error {
	if u, err := fetch.ParseURL("redirectURI", c.RedirectURI); err != nil {
		return err
	} else if u.RawQuery != "" || u.ForceQuery {
		return invalid("redirectURI", "redirectURI is %s: it may have no query (?)", c.RedirectURI)
	}
	switch c.RequestBinding {
	case "", "redirect", "post":
	default:
		return invalid("requestBinding", "requestBinding is %q", c.RequestBinding).
			Next("choose redirect or post, or leave it out")
	}
	if c.NameIDPolicyFormat != "" && nameIDFormat(c.NameIDPolicyFormat) == "" {
		return invalid("nameIDPolicyFormat", "nameIDPolicyFormat is %q", c.NameIDPolicyFormat).
			Next("use persistent, emailAddress, unspecified, transient, X509SubjectName, WindowsDomainQualifiedName, encrypted, entity, kerberos, or a URN")
	}
	return nil
}

func (c Config) checkAttributes() error {
	switch {
	case nameIDFormat(c.NameIDPolicyFormat) == formatTransient && c.UsernameAttr == "":
		return invalid("usernameAttr", "a transient NameID is new at each sign-in and cannot say who somebody is").
			Next("set usernameAttr to an attribute that can, or nameIDPolicyFormat to persistent")
	case c.GroupsDelim != "" && c.GroupsAttr == "":
		return invalid("groupsDelim", "groupsDelim needs groups, which are off").
			Next("set groupsAttr")
	case len(c.AllowedGroups) > 0 && c.GroupsAttr == "":
		return invalid("allowedGroups", "allowedGroups needs groups, which are off").
			Next("set groupsAttr")
	case c.FilterGroups && len(c.AllowedGroups) == 0:
		return invalid("filterGroups", "filterGroups keeps only allowedGroups, and there are none").
			Next("list them, or set filterGroups to false")
	}
	return nil
}

// checkRedirect holds RedirectURI to where this server listens, so that the
// mistake is found when the connector is made and not at somebody's sign-in.
func (c Config) checkRedirect(callback string) error {
	if c.RedirectURI == callback {
		return nil
	}
	return invalid("redirectURI", "redirectURI is %s, but sign-ins come back to %s", c.RedirectURI, callback).
		Next("use that and register it with the provider")
}

func (c Config) entityID() string { return cmp.Or(c.EntityIssuer, c.RedirectURI) }

const formatTransient = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"

// nameIDFormat spells out the short names of SAML core, 8.3; "" is no format.
func nameIDFormat(name string) string {
	switch name {
	case "":
		return "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
	case "emailAddress", "unspecified", "X509SubjectName", "WindowsDomainQualifiedName":
		return "urn:oasis:names:tc:SAML:1.1:nameid-format:" + name
	case "encrypted", "entity", "kerberos", "persistent", "transient":
		return "urn:oasis:names:tc:SAML:2.0:nameid-format:" + name
	}
	if strings.HasPrefix(name, "urn:") && !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return name
	}
	return ""
}

func invalid(key, format string, a ...any) *fault.Error {
	return fault.New(fault.Invalid, format, a...).At("config." + key)
}

func isPEM(text string) bool { return strings.Contains(text, "-----BEGIN") }

// parsePEM also takes base64 of PEM, which Dex's caData is.
func parsePEM(key, text string) ([]*x509.Certificate, error) {
	rest := []byte(text)
	if !isPEM(text) {
		decoded, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
		if err != nil {
			return nil, invalid(key, "%s is neither PEM text nor base64 of it", key).
				Next("give the provider's signing certificate, beginning with -----BEGIN CERTIFICATE-----")
		}
		rest = decoded
	}
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, invalid(key, "%s has something beside certificates (%s)", key, block.Type).
				Next("remove it")
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, invalid(key, "%s holds a certificate that cannot be read", key).
				Next("copy it again").Because(err)
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 || len(bytes.TrimSpace(rest)) > 0 {
		return nil, invalid(key, "%s does not end with a whole certificate", key).
			Next("copy it again, from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----")
	}
	return certs, nil
}

// pinned are the certificates of ca and caData.
func (c Config) pinned() ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	if c.CAData != "" {
		given, err := parsePEM("caData", c.CAData)
		if err != nil {
			return nil, err
		}
		certs = given
	}
	if c.CA != "" {
		text, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, invalid("ca", "the file cannot be read").
				Next("give a path on the server, or the certificate itself in caData").Because(err)
		}
		given, err := parsePEM("ca", string(text))
		if err != nil {
			return nil, err
		}
		certs = append(certs, given...)
	}
	return certs, nil
}

// roots is nil, the system's own, unless the connector has more.
func (c Config) roots() (*x509.CertPool, error) { return fetch.Roots("config.rootCAs", c.RootCAs...) }
