package saml

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/pem"
	"os"
	"strings"

	"pachyderm/internal/connector/document"
	"pachyderm/internal/connector/refuse"
	"pachyderm/internal/connector/saml/metadata"
	"pachyderm/internal/fault"
)

// Config is what stands under config: in a connector document of type saml. The
// provider is described by one of metadataURL, metadataFile and metadata or, as
// Dex has it, by ssoURL with ca or caData.
type Config struct {
	MetadataURL  string   `json:"metadataURL" rule:"url" doc:"where the provider publishes its metadata: its address and certificates"`
	MetadataFile string   `json:"metadataFile" rule:"file" doc:"file on the server that holds the metadata"`
	Metadata     string   `json:"metadata" rule:"lines" doc:"the metadata itself, as text"`
	RootCAs      []string `json:"rootCAs" rule:"file" doc:"CA certificates to trust for metadataURL beside the system's: PEM text or files"`

	SSOURL    string `json:"ssoURL" rule:"url" doc:"where people are sent to sign in, if there is no metadata"`
	SSOIssuer string `json:"ssoIssuer" doc:"the provider's entity ID; required if the metadata describes several providers"`
	// The certificates of CA and CAData are trusted by themselves: not whatever
	// they have signed.
	CA     string `json:"ca" rule:"file" doc:"file on the server with the certificates that the provider signs with, in PEM"`
	CAData string `json:"caData" rule:"lines" doc:"the certificates that the provider signs with, as PEM text or base64 of it"`

	RedirectURI        string `json:"redirectURI" rule:"required,callback" doc:"our callback; pachctl idp callback prints it"`
	EntityIssuer       string `json:"entityIssuer" doc:"our own entity ID, which must be an audience of assertions; default: redirectURI"`
	NameIDPolicyFormat string `json:"nameIDPolicyFormat" doc:"NameID format to request, by its short name or its URN; default: persistent"`
	RequestBinding     string `json:"requestBinding" oneof:"redirect post" doc:"how to send requests; default: redirect if offered, else post"`

	EmailAttr string `json:"emailAttr" rule:"required" doc:"attribute with the e-mail address; NameID, here and below, is the NameID itself"`
	// UsernameAttr is the user id where the provider sends no NameID, or one that
	// is new each time.
	UsernameAttr  string   `json:"usernameAttr" doc:"attribute with the user name, which identifies a person if the NameID cannot"`
	NameAttr      string   `json:"nameAttr" doc:"attribute with the display name"`
	GroupsAttr    string   `json:"groupsAttr" doc:"attribute with the groups; default: groups are not read"`
	GroupsDelim   string   `json:"groupsDelim" doc:"separator, if one value of groupsAttr holds several groups"`
	AllowedGroups []string `json:"allowedGroups" doc:"only members of these groups may sign in; default: everyone"`
	FilterGroups  bool     `json:"filterGroups" doc:"keep only a person's groups that are in allowedGroups"`

	// InsecureSkipSignatureValidation is known only to be refused.
	InsecureSkipSignatureValidation bool `json:"insecureSkipSignatureValidation" doc:"not supported: it would let anybody sign in as anybody"`
}

// validate checks what the tags cannot say. Fault: Invalid, at the key.
func (c Config) validate(allowHTTP bool) error {
	if c.InsecureSkipSignatureValidation {
		return refuse.Config("insecureSkipSignatureValidation",
			"insecureSkipSignatureValidation is true, which would let anybody sign in as anybody").
			Next("remove it, and set the provider's metadata, or caData to its signing certificate")
	}
	if err := c.checkSource(allowHTTP); err != nil {
		return err
	}
	return c.checkAttributes()
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
		return refuse.Config("metadataURL", "nothing says which provider is meant").
			Next("set metadataURL, metadataFile, metadata, or ssoURL with caData")
	case len(given) > 1:
		return refuse.Config(given[1], "%s describe the provider more than once", strings.Join(given, " and ")).
			Next("keep one of them")
	case c.SSOURL != "" && c.CA == "" && c.CAData == "":
		return refuse.Config("caData", "caData is missing").
			Next("with ssoURL, put the certificate that the provider signs with into caData, or set ca to its file; metadataURL would include it")
	case len(c.RootCAs) > 0 && c.MetadataURL == "":
		return refuse.Config("rootCAs", "rootCAs is for fetching metadataURL, which is not set").
			Next("remove it; the certificate that signs assertions belongs in caData")
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

func (c Config) checkAttributes() error {
	switch {
	case nameIDFormat(c.NameIDPolicyFormat) == "":
		return refuse.Config("nameIDPolicyFormat", "nameIDPolicyFormat is %q", c.NameIDPolicyFormat).
			Next("use persistent, emailAddress, unspecified, transient, X509SubjectName, WindowsDomainQualifiedName, " +
				"encrypted, entity, kerberos, or a URN")
	case nameIDFormat(c.NameIDPolicyFormat) == formatTransient && c.UsernameAttr == "":
		return refuse.Config("usernameAttr", "a transient NameID is new at each sign-in and cannot identify a person").
			Next("set usernameAttr to an attribute that can, or nameIDPolicyFormat to persistent")
	case c.GroupsDelim != "" && c.GroupsAttr == "":
		return refuse.Config("groupsDelim", "groupsDelim needs groups, which are off").
			Next("set groupsAttr")
	case len(c.AllowedGroups) > 0 && c.GroupsAttr == "":
		return refuse.Config("allowedGroups", "allowedGroups needs groups, which are off").
			Next("set groupsAttr")
	case c.FilterGroups && len(c.AllowedGroups) == 0:
		return refuse.Config("filterGroups", "filterGroups keeps only allowedGroups, and there are none").
			Next("list them, or set filterGroups to false")
	}
	return nil
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

// certificates takes PEM text, and base64 of it, which Dex's caData is.
func certificates(key, text string) ([]*x509.Certificate, error) {
	rest, err := document.PEM(key, text)
	if err != nil {
		return nil, err
	}
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, refuse.Config(key, "%s has something beside certificates (%s)", key, block.Type).
				Next("remove it")
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, refuse.Config(key, "%s holds a certificate that cannot be read", key).
				Next("copy it again").Because(err)
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 || len(bytes.TrimSpace(rest)) > 0 {
		return nil, refuse.Config(key, "%s does not end with a whole certificate", key).
			Next("copy it again, from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----")
	}
	return certs, nil
}

// pinned are the certificates of ca and caData.
func (c Config) pinned() ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	if c.CAData != "" {
		given, err := certificates("caData", c.CAData)
		if err != nil {
			return nil, err
		}
		certs = given
	}
	if c.CA != "" {
		text, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, refuse.Config("ca", "the file cannot be read").
				Next("set it to a file on the server, or put the certificate into caData").Because(err)
		}
		given, err := certificates("ca", string(text))
		if err != nil {
			return nil, err
		}
		certs = append(certs, given...)
	}
	return certs, nil
}
