package idp

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// SimpleSAML is SimpleSAMLphp, a SAML identity provider. The attributes are uid,
// email, displayName and groups; the NameID is persistent and is the uid.
type SimpleSAML struct {
	*process

	EntityID    string
	MetadataURL string
	SSOURL      string // for both bindings
	Certificate []byte // PEM, of the key that signs
	People      []Person

	acs, sp string
	options SimpleSAMLOptions
	serial  int
	next    []byte
}

// SimpleSAMLOptions say what is not signed; without them response and assertion
// both are.
type SimpleSAMLOptions struct {
	UnsignedResponse, UnsignedAssertion bool
}

// StartSimpleSAML runs it for one service provider, which is known by entity ID
// and by the URL that takes the assertions.
func StartSimpleSAML(tb testing.TB, spEntity, acs string, o SimpleSAMLOptions) *SimpleSAML {
	tb.Helper()
	const php, www = "/usr/bin/php", "/usr/share/simplesamlphp/www"
	need(tb, php, www)
	address, dir := FreeAddress(tb), tb.TempDir()
	base := "http://" + address + "/"
	s := &SimpleSAML{
		EntityID: base + "idp", MetadataURL: base + "saml2/idp/metadata.php", SSOURL: base + "saml2/idp/SSOService.php",
		People: []Person{Alice, Bob}, acs: acs, sp: spEntity, options: o,
	}
	s.process = &process{
		tb: tb, dir: dir, env: []string{"SIMPLESAMLPHP_CONFIG_DIR=" + filepath.Join(dir, "config")},
		args:  []string{php, "-d", "session.save_path=" + filepath.Join(dir, "sessions"), "-S", address, "-t", www},
		ready: answers(NewClient(tb), s.MetadataURL),
	}
	write(tb, filepath.Join(dir, "config", "config.php"), s.config(base))
	write(tb, filepath.Join(dir, "config", "authsources.php"), s.users())
	for _, d := range []string{"sessions", "log", "data", "tmp"} {
		write(tb, filepath.Join(dir, d, ".keep"), "")
	}
	s.Certificate = s.newKey()
	s.describe()
	tb.Cleanup(s.Stop)
	s.Start()
	return s
}

// Announce makes a new key and shows it in the metadata, beside the one that
// signs for now, and returns its certificate.
func (s *SimpleSAML) Announce() []byte {
	s.tb.Helper()
	s.next = s.newKey()
	s.describe()
	return s.next
}

// RollOver signs with the key that was announced, or with one that nobody has
// seen, and forgets the old one.
func (s *SimpleSAML) RollOver() {
	s.tb.Helper()
	if s.next == nil {
		s.next = s.newKey()
	}
	s.Certificate, s.next = s.next, nil
	s.describe()
}

// newKey writes files that the metadata can name by number.
func (s *SimpleSAML) newKey() []byte {
	s.tb.Helper()
	s.serial++
	pair := newRSA(s.tb)
	write(s.tb, filepath.Join(s.dir, "cert", fmt.Sprintf("%d.key", s.serial)), string(pair.keyPEM))
	write(s.tb, filepath.Join(s.dir, "cert", fmt.Sprintf("%d.crt", s.serial)), string(pair.certPEM))
	return pair.certPEM
}

// describe writes what SimpleSAMLphp reads anew with each request.
func (s *SimpleSAML) describe() {
	s.tb.Helper()
	signing, announced := s.serial, ""
	if s.next != nil {
		signing--
		announced = fmt.Sprintf("'new_privatekey' => '%[1]d.key', 'new_certificate' => '%[1]d.crt',", s.serial)
	}
	write(s.tb, filepath.Join(s.dir, "config", "metadata", "saml20-idp-hosted.php"), fmt.Sprintf(`<?php
$metadata[%[1]s] = [
  'host' => '__DEFAULT__', 'auth' => 'people', 'privatekey' => '%[2]d.key', 'certificate' => '%[2]d.crt', %[3]s
  'attributes.NameFormat' => 'urn:oasis:names:tc:SAML:2.0:attrname-format:basic',
  'NameIDFormat' => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
  'SingleSignOnServiceBinding' => ['urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect', 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST'],
  'authproc' => [3 => ['class' => 'saml:AttributeNameID', 'attribute' => 'uid', 'Format' => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent']],
  'saml20.sign.response' => %[4]t, 'saml20.sign.assertion' => %[5]t,
];
`, php(s.EntityID), signing, announced, !s.options.UnsignedResponse, !s.options.UnsignedAssertion))
	write(s.tb, filepath.Join(s.dir, "config", "metadata", "saml20-sp-remote.php"), fmt.Sprintf(`<?php
$metadata[%s] = ['AssertionConsumerService' => %s];
`, php(s.sp), php(s.acs)))
}

func (s *SimpleSAML) config(base string) string {
	return fmt.Sprintf(`<?php
$dir = %s;
$config = [
  'baseurlpath' => %s, 'certdir' => "$dir/cert/", 'loggingdir' => "$dir/log/", 'datadir' => "$dir/data/", 'tempdir' => "$dir/tmp",
  'metadatadir' => "$dir/config/metadata/", 'metadata.sources' => [['type' => 'flatfile']],
  'secretsalt' => 'a-salt-for-tests-only', 'auth.adminpassword' => 'admin-secret',
  'technicalcontact_name' => 'Nobody', 'technicalcontact_email' => 'nobody@example.com', 'timezone' => 'UTC',
  'logging.level' => SimpleSAML\Logger::NOTICE, 'logging.handler' => 'errorlog', 'showerrors' => true, 'errorreporting' => false,
  'enable.saml20-idp' => true, 'module.enable' => ['core' => true, 'saml' => true, 'exampleauth' => true],
  'store.type' => 'phpsession', 'session.phpsession.savepath' => "$dir/sessions",
  'session.cookie.secure' => false, 'session.cookie.samesite' => 'Lax', 'language.default' => 'en', 'trusted.url.domains' => null,
];
`, php(s.dir), php(base))
}

func (s *SimpleSAML) users() string {
	var b strings.Builder
	b.WriteString("<?php\n$config = ['people' => ['exampleauth:UserPass',\n")
	for _, p := range s.People {
		var groups []string
		for _, g := range p.Groups {
			groups = append(groups, php(g))
		}
		fmt.Fprintf(&b, "  %s => ['uid' => [%s], 'email' => [%s], 'displayName' => [%s], 'groups' => [%s]],\n",
			php(p.Name+":"+p.Password), php(p.Name), php(p.Email), php(display(p)), strings.Join(groups, ", "))
	}
	b.WriteString("]];\n")
	return b.String()
}

// php quotes a string for that language.
func php(s string) string { return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'" }
