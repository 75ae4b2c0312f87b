package test

import (
	"encoding/xml"
	"fmt"
	"strings"
	"testing"

	"pachyderm/test/idp"
)

func ldapConfig(l *idp.OpenLDAP) map[string]any {
	return map[string]any{
		"bindDN": l.BindDN, "bindPW": l.BindPassword,
		"userSearch": map[string]any{
			"baseDN": l.PeopleDN, "filter": "(employeeType=staff)", "username": "uid", "idAttr": "entryUUID", "emailAttr": "mail", "nameAttr": "displayName",
		},
		"groupSearch": map[string]any{
			"baseDN": l.GroupsDN, "filter": "(objectClass=groupOfNames)",
			"userMatchers": []any{map[string]any{"userAttr": "DN", "groupAttr": "member", "recursionGroupAttr": "member"}},
		},
	}
}

const wrongPassword = "Username or password is wrong"

func TestSignIn_OpenLDAP(t *testing.T) {
	t.Parallel()
	l := idp.StartOpenLDAP(t, idp.OpenLDAPOptions{})
	for name, changes := range map[string]map[string]any{
		"plain on loopback": {"host": l.Plain, "insecureNoSSL": true},
		"StartTLS":          {"host": l.Plain, "startTLS": true, "rootCAData": string(l.CA.PEM)},
		"LDAPS":             {"host": l.LDAPS, "rootCA": l.CA.File},
	} {
		t.Run(name, func(t *testing.T) {
			scenario{
				document: document("ldap", with(ldapConfig(l), changes)), client: newClient, provider: l,
				person: idp.Alice, groups: []string{"admins", "developers", "everyone"}, told: wrongPassword,
				refused: idp.Carol, away: "cannot be reached",
			}.run(t)
		})
	}
}

// Whoever types a name must not be able to say more than a name.
func TestSignIn_OpenLDAPOnlyWhoIsMeant(t *testing.T) {
	t.Parallel()
	l := idp.StartOpenLDAP(t, idp.OpenLDAPOptions{EmptyPassword: true})
	h := newHouse(t)
	good := with(ldapConfig(l), map[string]any{"host": l.LDAPS, "rootCAData": string(l.CA.PEM)})
	for name, c := range map[string]struct {
		changes map[string]any
		want    string
	}{
		"wrong bind password": {map[string]any{"bindPW": "not-the-one"}, "bindPW"},
		"unknown bind DN":     {map[string]any{"bindDN": "cn=nobody,dc=example,dc=com"}, "bindDN"},
		"another CA":          {map[string]any{"rootCAData": string(idp.NewCA(t).PEM)}, "rootCA"},
		"the system's CAs":    {map[string]any{"rootCAData": nil}, "rootCA"},
		"nobody there":        {map[string]any{"host": "127.0.0.1:1"}, "config.host"},
		"no such place":       {map[string]any{"userSearch": map[string]any{"baseDN": "ou=nowhere,dc=example,dc=com", "username": "uid"}}, "userSearch.baseDN"},
		"no TLS there":        {map[string]any{"host": l.Plain}, "config.host"},
	} {
		out, err := h.create(document("ldap", with(good, c.changes))(h.daemon))
		if err == nil || !strings.Contains(out, c.want) {
			t.Errorf("%s: %v, and it does not name %s:\n%s", name, err, c.want, out)
		}
		if strings.Contains(out, "not-the-one") || strings.Contains(out, l.BindPassword) {
			t.Errorf("%s: the password was told:\n%s", name, out)
		}
	}
	h.connect(document("ldap", good)(h.daemon))
	h.begin("idp", newClient(t)).succeeds(idp.Weird, []string{"developers", "everyone"})
	a := h.begin("idp", newClient(t))
	directory := scenario{told: wrongPassword}
	for _, name := range []string{"*", "alice)(uid=*", "alice*", `al\69ce`, "alice)(|(uid=*", "nobody", "search"} {
		directory.refuses(a, idp.Person{Name: name, Password: idp.Alice.Password})
	}
	directory.refuses(a, idp.Alice.WithPassword("")) // which this directory lets bind
	directory.refuses(a, idp.Alice.WithPassword("*"))
	a.succeeds(idp.Alice, []string{"admins", "developers", "everyone"})
}

func TestSignIn_ActiveDirectory(t *testing.T) {
	t.Parallel()
	s := idp.StartSamba(t, nil)
	config := map[string]any{
		"host": s.LDAPS, "rootCAData": string(s.CA.PEM), "bindDN": s.BindDN, "bindPW": s.BindPassword,
		"userSearch": map[string]any{
			"baseDN": s.UsersDN, "filter": "(objectClass=user)", "username": []any{"sAMAccountName", "userPrincipalName"}, "idAttr": "objectGUID", "emailAttr": "mail",
		},
		"groupSearch": map[string]any{
			"baseDN": s.UsersDN, "filter": "(objectClass=group)",
			"userMatchers": []any{map[string]any{"userAttr": "DN", "groupAttr": "member:1.2.840.113556.1.4.1941:"}},
		},
	}
	scenario{
		document: document("ldap", config), client: newClient, provider: s, person: idp.Alice, groups: []string{"admins", "developers", "everyone"},
		told: wrongPassword, refused: idp.Carol, away: "cannot be reached",
	}.run(t)
	t.Run("by StartTLS and the other name", func(t *testing.T) {
		h := newHouse(t)
		h.connect(document("ldap", with(config, map[string]any{"host": s.Plain, "startTLS": true}))(h.daemon))
		bob := idp.Bob
		bob.Name = "bob@ad.example.com"
		h.begin("idp", newClient(t)).succeeds(bob, []string{"developers", "everyone"})
	})
}

func TestSignIn_SimpleSAMLphp(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]idp.SimpleSAMLOptions{
		"response signed": {UnsignedAssertion: true}, "assertion signed": {UnsignedResponse: true}, "both signed": {},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			s := idp.StartSimpleSAML(t, h.callback(), h.callback(), o)
			config := map[string]any{"metadataURL": s.MetadataURL, "emailAttr": "email", "nameAttr": "displayName", "groupsAttr": "groups", "allowedGroups": []any{"admins"}}
			if o.UnsignedResponse { // as a document for Dex, whose request goes by POST
				config = with(config, map[string]any{"metadataURL": nil, "ssoURL": s.SSOURL, "ssoIssuer": s.EntityID, "caData": s.Certificate, "usernameAttr": "uid"})
			}
			c := scenario{
				document: document("saml", config),
				client:   newClient, person: idp.Alice, groups: idp.Alice.Groups, told: "Incorrect username or password",
				refused: idp.Bob, reason: "groups", away: "cannot be reached",
			}
			if o == (idp.SimpleSAMLOptions{}) {
				c.provider = s
			}
			c.runIn(t, h)
			if c.provider != nil {
				rollsOver(t, h, s)
			}
		})
	}
}

// rollsOver changes the provider's key under a pachd that nobody touches.
func rollsOver(t *testing.T, h *house, s *idp.SimpleSAML) {
	t.Helper()
	s.Announce()
	h.begin("idp", newClient(t)).succeeds(idp.Alice, idp.Alice.Groups)
	s.RollOver()
	eventually(t, func() string { // pachd looks for new certificates once in a while only
		a := h.begin("idp", newClient(t))
		if text, err := a.as(idp.Alice); err != nil {
			a.kill()
			return err.Error() + text
		}
		if out, err := a.wait(); err != nil {
			return out
		}
		return ""
	})
}

func TestSignIn_CrewjamSAML(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	sp := fmt.Sprintf(`<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID=%[1]q>
<SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
<AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location=%[1]q index="1"/>
</SPSSODescriptor></EntityDescriptor>`, h.callback())
	s := idp.StartCrewjam(t, []byte(sp))
	scenario{
		document: document("saml", map[string]any{
			"metadataURL": s.MetadataURL, "emailAttr": idp.CrewjamEmail, "nameAttr": idp.CrewjamName, "groupsAttr": idp.CrewjamGroups, "allowedGroups": []any{"admins"},
		}),
		client: newClient, provider: s, person: idp.Alice, groups: idp.Alice.Groups, told: "Wrong user name or password",
		refused: idp.Bob, reason: "groups", away: "cannot be reached",
	}.runIn(t, h)
	var metadata struct {
		EntityID string `xml:"entityID,attr"`
	}
	if err := xml.Unmarshal(idp.Get(t, "http://"+h.http+"/saml/idp/metadata"), &metadata); err != nil || metadata.EntityID != h.callback() {
		t.Errorf("our own metadata name %q, %v", metadata.EntityID, err)
	}
}

func TestSignIn_GitHubEnterprise(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	g := idp.StartGitHub(t, nil, h.callback())
	config := map[string]any{"clientID": g.ClientID, "clientSecret": g.ClientSecret, "hostName": g.HostName, "rootCA": g.CA.File}
	scenario{
		document: document("github", with(config, map[string]any{"orgs": []any{map[string]any{"name": g.Organisation}}, "teamNameField": "slug"})),
		client:   g.CA.Client, provider: g, person: idp.Alice, groups: []string{"example-org:admins", "example-org:developers"},
		refused: idp.Carol, reason: "groups",
	}.runIn(t, h)
	h.root.run("yes\n", "idp", "delete-connector", "idp")
	if out, err := h.create(document("github", with(config, map[string]any{"loadAllGroups": true}))(h.daemon)); err != nil {
		t.Fatal(out)
	}
	h.begin("idp", g.CA.Client(t)).succeeds(idp.Bob, []string{"example-org", "example-org:developers"})
}

func oidcConfig(issuer, id, secret string, changes map[string]any) map[string]any {
	return with(map[string]any{
		"issuer": issuer, "clientID": id, "clientSecret": secret, "insecureEnableGroups": true, "scopes": []any{"profile", "email", "groups"},
		"allowedGroups": []any{"admins"},
	}, changes)
}

func TestSignIn_PanvaOIDCProvider(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := idp.StartPanva(t, h.callback())
	scenario{
		document: document("oidc", oidcConfig(p.Issuer, p.ClientID, p.ClientSecret, nil)),
		client:   newClient, provider: p, person: idp.Alice, groups: idp.Alice.Groups, refused: idp.Bob, reason: "groups", away: "cannot be reached",
	}.runIn(t, h)
}

// What a provider may demand of its clients beyond a secret.
func TestSignIn_PanvaDemands(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options idp.PanvaOptions
		changes map[string]any
		checked string // said by check-connector
	}{
		"PAR":               {idp.PanvaOptions{PushedOnly: true}, nil, "sends people back to"},
		"client_secret_jwt": {idp.PanvaOptions{AuthMethod: "client_secret_jwt"}, nil, "knows the client ID and the secret"},
		"private_key_jwt and PAR": {
			idp.PanvaOptions{AuthMethod: "private_key_jwt", PushedOnly: true},
			map[string]any{"clientSecret": nil, "tokenEndpointAuthMethod": "private_key_jwt"},
			"knows the client ID and our key",
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			if c.options.AuthMethod == "private_key_jwt" {
				c.options.KeysURL = "http://" + h.http + "/connector-keys"
			}
			p := idp.StartPanvaWith(t, c.options, h.callback())
			doc := document("oidc", with(oidcConfig(p.Issuer, p.ClientID, p.ClientSecret, nil), c.changes))
			out, err := h.check(doc(h.daemon))
			if err != nil || !strings.Contains(out, c.checked) || strings.Contains(out, "failed") {
				t.Errorf("pachctl idp check-connector: %v\n%s", err, out)
			}
			scenario{
				document: doc, client: newClient, provider: p, person: idp.Alice, groups: idp.Alice.Groups, refused: idp.Bob, reason: "groups",
				away: "cannot be reached",
			}.runIn(t, h)
		})
	}
}

func TestSignIn_AnotherDex(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	d := idp.StartDex(t, h.callback())
	c := scenario{
		document: document("oidc", oidcConfig(d.Issuer, d.ClientID, d.ClientSecret, nil)),
		client:   newClient, provider: d, person: d.People[0], groups: idp.Alice.Groups, told: "Invalid",
		refused: d.People[1], reason: "groups", away: "cannot be reached",
	}
	c.runIn(t, h)
	// The provider goes away while the person is at it.
	a := h.begin("idp", newClient(t))
	at, text, err := idp.SignIn(t, a.client, a.start, c.person, h.atCallback)
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	d.Stop()
	a.start = at.String()
	if text, err := a.as(c.person); err != nil {
		t.Errorf("%v: %s", err, text)
	}
	a.ends("cannot be reached")
	d.Start()
	h.recovers(c)
}

// The document of the page that describes this product, as complete as the page
// would have it, with what the simulator needs.
func TestSignIn_Auth0ByThePagesDocument(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a := idp.StartAuth0(t, nil)
	page := func(d *daemon) string {
		return fmt.Sprintf(`type: oidc
id: idp
name: Auth0
version: 1
config:
  issuer: %s
  clientID: %s
  clientSecret: %s
  redirectURI: %s
  insecureEnableGroups: true
  insecureSkipEmailVerified: true
  insecureSkipIssuerCallbackDomainCheck: false
  forwardedLoginParams:
  - login_hint
  rootCAs:
  - %s
`, a.Issuer, a.ClientID, a.ClientSecret, d.callback(), a.CA.File)
	}
	out, err := h.create(strings.Replace(page(h.daemon), "Check: false", "Check: false,", 1))
	if err == nil || !strings.Contains(out, "remove the comma") {
		t.Errorf("the stray comma: %v\n%s", err, out)
	}
	scenario{
		document: page, client: a.CA.Client, provider: a, person: idp.Alice, groups: idp.Alice.Groups, told: "Wrong email or password", away: "cannot be reached",
	}.runIn(t, h)
}
