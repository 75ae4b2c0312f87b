package ldap

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	dexconn "github.com/dexidp/dex/connector"
	"github.com/go-ldap/ldap/v3"
	"github.com/google/uuid"

	"pachyderm/internal/claimlog"
	"pachyderm/internal/connector/document"
	"pachyderm/internal/connector/probe"
	"pachyderm/internal/connector/refuse"
	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
)

const (
	// timeout is for one request to the directory; a sign-in makes four or more.
	timeout = 10 * time.Second
	// maxGroups bounds a search for nested groups.
	maxGroups = 2000
)

// Connector is safe for use by several sign-ins at once: each has a connection
// of its own.
type Connector struct {
	cfg Config
	tls *tls.Config

	certificateEnds atomic.Int64 // of the directory, in seconds since 1970; 0 until it is known
}

var (
	_ dexconn.PasswordConnector = (*Connector)(nil)
	_ dexconn.RefreshConnector  = (*Connector)(nil)
)

// Open makes no connection. Fault: Invalid.
func Open(c Config) (*Connector, error) {
	if err := (document.Rules{}).Check("ldap", &c); err != nil {
		return nil, err
	}
	if err := c.validate(); err != nil {
		return nil, err
	}
	t, err := c.tls()
	return &Connector{cfg: c, tls: t}, err
}

// Expiries is connector.Expirer's.
func (c *Connector) Expiries() []probe.Expiry {
	ends := c.certificateEnds.Load()
	if ends == 0 {
		return nil
	}
	return probe.ExpiriesOf(map[string]time.Time{c.cfg.hostname(): time.Unix(ends, 0)})
}

// ReadsGroups is connector.GroupReader's: a search needs nobody.
func (c *Connector) ReadsGroups() bool { return c.cfg.GroupSearch.BaseDN != "" }

// Format keeps the password out of every %v, %+v and %#v.
func (c *Connector) Format(f fmt.State, verb rune) { c.cfg.Format(f, verb) }

// Prompt is what the sign-in page calls the user name.
func (c *Connector) Prompt() string { return c.cfg.UsernamePrompt }

// Ping connects as a sign-in does, and looks for the places it would search.
func (c *Connector) Ping(ctx context.Context) error {
	return c.otherProtocol(ctx, c.with(ctx, func(conn *ldap.Conn) error {
		if err := c.checkBase(conn, c.cfg.people()); err != nil {
			return err
		}
		return c.checkBase(conn, c.cfg.groups())
	}))
}

func (c *Connector) checkBase(conn *ldap.Conn, b branch) error {
	if b.baseDN == "" {
		return nil
	}
	_, err := conn.Search(&ldap.SearchRequest{
		BaseDN: b.baseDN, Scope: ldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{"1.1"},
		TimeLimit: int(timeout / time.Second),
	})
	if err != nil {
		return c.searchFailed(b.key+".baseDN", err)
	}
	return nil
}

// with connects, binds as the account that searches, and ends with ctx.
func (c *Connector) with(ctx context.Context, do func(*ldap.Conn) error) error {
	connected := claimlog.Begin(ctx, "connect to the directory")
	conn, err := c.dial(ctx)
	connected(err, "%s", c.cfg.Address())
	if err != nil {
		return err
	}
	if state, ok := conn.TLSConnectionState(); ok && len(state.PeerCertificates) > 0 {
		c.certificateEnds.Store(state.PeerCertificates[0].NotAfter.Unix())
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	bound := claimlog.Begin(ctx, "bind the search account")
	err = c.bindSearcher(conn)
	bound(err, "%s", cmp.Or(c.cfg.BindDN, "(anonymous)"))
	if err != nil {
		return err
	}
	err = do(conn)
	if ctx.Err() != nil {
		return fault.New(fault.Unavailable, "the directory at %s took too long", c.cfg.Address()).
			Next("try again").Because(ctx.Err())
	}
	return err
}

func (c *Connector) dial(ctx context.Context) (*ldap.Conn, error) {
	if c.cfg.StartTLS {
		return c.dialStartTLS(ctx)
	}
	u := url.URL{Scheme: "ldaps", Host: c.cfg.Address()}
	if c.cfg.InsecureNoSSL {
		u.Scheme = "ldap"
	}
	conn, err := ldap.DialURL(u.String(), ldap.DialWithDialer(fetch.Dialer(timeout)), ldap.DialWithTLSConfig(c.tls.Clone()))
	if err != nil {
		return nil, c.unreachable(err)
	}
	conn.SetTimeout(timeout)
	return conn, nil
}

func (c *Connector) dialStartTLS(ctx context.Context) (*ldap.Conn, error) {
	conn, err := c.startTLS(ctx, c.tls)
	switch {
	case err == nil:
		return conn, nil
	case errors.As(err, new(*net.OpError)):
		return nil, c.unreachable(err)
	case ldap.IsErrorWithCode(err, ldap.ErrorNetwork):
		if why := c.distrusted(ctx); why != nil {
			return nil, c.unreachable(why)
		}
	}
	return nil, fault.New(fault.Unavailable, "the directory at %s does not start TLS when asked (StartTLS)", c.cfg.Address()).
		Next("switch it on there, or use LDAPS with startTLS: false").At("config.startTLS").Because(err)
}

// startTLS returns a connection with TLS, or none.
func (c *Connector) startTLS(ctx context.Context, t *tls.Config) (*ldap.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	raw, err := fetch.Dialer(timeout).DialContext(ctx, "tcp", c.cfg.Address())
	if err != nil {
		return nil, err
	}
	// The library waits for the end of a handshake without end.
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	conn := ldap.NewConn(raw, false)
	conn.Start()
	conn.SetTimeout(timeout)
	err = conn.StartTLS(t.Clone())
	if err == nil && stop() {
		return conn, nil
	}
	_ = conn.Close()
	return nil, errors.Join(err, ctx.Err())
}

// distrusted says why a directory's certificate was refused, which the library
// keeps for itself: it looks at the certificate on a connection on which nothing
// else is said.
func (c *Connector) distrusted(ctx context.Context) error {
	t := c.tls.Clone()
	t.InsecureSkipVerify = true
	conn, err := c.startTLS(ctx, t)
	if err != nil {
		return nil // it is not the certificate then
	}
	defer func() { _ = conn.Close() }()
	state, ok := conn.TLSConnectionState()
	if !ok || len(state.PeerCertificates) == 0 {
		return nil
	}
	intermediates := x509.NewCertPool()
	for _, cert := range state.PeerCertificates[1:] {
		intermediates.AddCert(cert)
	}
	_, err = state.PeerCertificates[0].Verify(x509.VerifyOptions{
		DNSName: c.tls.ServerName, Roots: c.tls.RootCAs, Intermediates: intermediates,
	})
	return err
}

func untrusted(err error) string {
	return fetch.Untrusted(err, "config.rootCA or config.rootCAData", "config.host")
}

func (c *Connector) unreachable(err error) error {
	if reason := untrusted(err); reason != "" {
		return fault.New(fault.Unavailable,
			"the certificate of the directory at %s was refused: %s", c.cfg.Address(), reason).At("config.rootCA").Because(err)
	}
	return fault.New(fault.Unavailable, "the directory at %s cannot be reached", c.cfg.Address()).
		Next("try again, and check config.host and that this server can reach it").At("config.host").Because(err)
}

func (c *Connector) bindSearcher(conn *ldap.Conn) error {
	var err error
	if c.cfg.BindDN == "" {
		err = conn.UnauthenticatedBind("")
	} else {
		err = conn.Bind(c.cfg.BindDN, c.cfg.BindPW)
	}
	switch {
	case err == nil:
		return nil
	case c.cfg.BindDN == "" && !ldap.IsErrorWithCode(err, ldap.ErrorNetwork):
		return fault.New(fault.Precondition, "the directory does not allow anonymous search").
			Next("set bindDN and bindPW").At("config.bindDN").Because(err)
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultInvalidCredentials, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInvalidDNSyntax):
		return fault.New(fault.Precondition, "the directory refused bindDN or bindPW").
			Next("check the search account").At("config.bindPW").Because(err)
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultConfidentialityRequired, ldap.LDAPResultStrongAuthRequired):
		return fault.New(fault.Precondition, "the directory requires TLS").
			Next("use startTLS: true or LDAPS, without insecureNoSSL").At("config.insecureNoSSL").Because(err)
	}
	return fault.New(fault.Unavailable, "the directory at %s did not accept the search account", c.cfg.Address()).
		Next("try again").At("config.bindDN").Because(err)
}

func (c *Connector) searchFailed(key string, err error) error {
	switch {
	case ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject):
		return fault.New(fault.Precondition, "the directory has no entry at %s, or does not let the search account see it", key).
			Next("check the key and the rights of bindDN").At("config." + key).Because(err)
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultOperationsError):
		return fault.New(fault.Precondition, "the directory does not let the search account read %s", key).
			Next("check bindDN and its rights").At("config." + key).Because(err)
	case ldap.IsErrorWithCode(err, ldap.LDAPResultReferral):
		return fault.New(fault.Precondition, "the directory returned a referral for %s, which is not followed", key).
			Next("connect to the one that holds it").At("config." + key).Because(err)
	}
	return fault.New(fault.Unavailable, "the directory at %s cannot be searched", c.cfg.Address()).
		Next("try again").At("config." + key).Because(err)
}

// Login asks the directory whether the password is that of the person by that
// name. A name that is not there, or that the filter leaves out, is as a wrong
// password, so that nobody can find out who is there.
func (c *Connector) Login(ctx context.Context, s dexconn.Scopes, username, password string) (id dexconn.Identity, valid bool, err error) {
	// A bind with a name and no password succeeds as anonymous (RFC 4513, 5.1.2).
	if password == "" || username == "" {
		return id, false, nil
	}
	err = c.with(ctx, func(conn *ldap.Conn) error {
		person, err := c.lookUp(ctx, conn, username)
		if err != nil || person == nil {
			return err
		}
		proven := claimlog.Begin(ctx, "bind as the person")
		err = conn.Bind(person.DN, password)
		proven(err, "%s", person.DN)
		switch {
		case isWrongPassword(err):
			return nil
		case err != nil:
			return fault.New(fault.Unavailable, "the directory at %s could not check the password", c.cfg.Address()).
				Next("try again").Because(err)
		}
		if err := c.bindSearcher(conn); err != nil {
			return err
		}
		id, err = c.identity(ctx, conn, person)
		valid = err == nil
		return err
	})
	if err != nil || !valid {
		return dexconn.Identity{}, false, err
	}
	if s.OfflineAccess {
		id.ConnectorData, err = json.Marshal(remembered{username})
	}
	return id, valid, err
}

func isWrongPassword(err error) bool {
	return ldap.IsErrorAnyOf(err, ldap.LDAPResultInvalidCredentials, ldap.LDAPResultConstraintViolation,
		ldap.LDAPResultInappropriateAuthentication, ldap.LDAPResultUnwillingToPerform)
}

// remembered finds the person again when their session is renewed.
type remembered struct {
	Username string `json:"username"`
}

// Refresh reads the person and their groups again. One who is no longer found,
// or whom the filter now leaves out, is refused.
func (c *Connector) Refresh(ctx context.Context, _ dexconn.Scopes, old dexconn.Identity) (dexconn.Identity, error) {
	var r remembered
	if err := json.Unmarshal(old.ConnectorData, &r); err != nil {
		return old, err
	}
	var id dexconn.Identity
	err := c.with(ctx, func(conn *ldap.Conn) error {
		person, err := c.lookUp(ctx, conn, r.Username)
		if err != nil {
			return err
		}
		if person != nil {
			id, err = c.identity(ctx, conn, person)
		}
		return err
	})
	if err == nil && id.UserID != old.UserID {
		err = fault.New(fault.Unauthenticated, "the directory does not know this person any more, or does not let them sign in").
			Next("sign in again").Because(refuse.Gone{})
	}
	id.ConnectorData = old.ConnectorData
	return id, err
}

// lookUp is find, as a step of a sign-in, which does not say the name: some people
// type their password there.
func (c *Connector) lookUp(ctx context.Context, conn *ldap.Conn, username string) (*ldap.Entry, error) {
	found := claimlog.Begin(ctx, "search for the person")
	person, err := c.find(conn, username)
	b, by := c.cfg.people(), strings.Join(c.cfg.UserSearch.Username, " or ")
	switch {
	case err != nil:
		found(err, "by %s below %s", by, b.baseDN)
	case person == nil:
		found(nil, "no entry by %s below %s that matches the filter %s", by, b.baseDN, cmp.Or(b.filter, "(none)"))
	default:
		found(nil, "by %s below %s: %s", by, b.baseDN, person.DN)
	}
	return person, err
}

// find is nil for a name that is not there.
func (c *Connector) find(conn *ldap.Conn, username string) (*ldap.Entry, error) {
	u := c.cfg.UserSearch
	var matches strings.Builder
	for _, attr := range u.Username {
		fmt.Fprintf(&matches, "(%s=%s)", attr, ldap.EscapeFilter(username))
	}
	filter := matches.String()
	if len(u.Username) > 1 {
		filter = "(|" + filter + ")"
	}
	entries, err := c.search(conn, c.cfg.people(), filter, c.userAttributes(), 2)
	switch {
	case isSizeLimit(err), len(entries) > 1:
		return nil, fault.New(fault.Precondition, "the directory has more than one entry by this user name").
			Next("make userSearch.username or userSearch.filter say which one is meant").At("config.userSearch.username")
	case err != nil || len(entries) == 0:
		return nil, err
	}
	return entries[0], nil
}

// isSizeLimit sees that a search found more than it asked for.
func isSizeLimit(err error) bool {
	var refused *ldap.Error
	return errors.As(err, &refused) && refused.ResultCode == ldap.LDAPResultSizeLimitExceeded
}

func (c *Connector) userAttributes() []string {
	u := c.cfg.UserSearch
	names := append([]string{cmp.Or(u.IDAttr, "uid"), cmp.Or(u.EmailAttr, "mail")}, u.Username...)
	for _, more := range []string{u.NameAttr, u.PreferredUsernameAttr} {
		if more != "" {
			names = append(names, more)
		}
	}
	for _, m := range c.cfg.matchers() {
		if m.UserAttr != "" {
			names = append(names, m.UserAttr)
		}
	}
	return names
}

// search looks in a branch for entries that match a filter beside its own.
func (c *Connector) search(conn *ldap.Conn, b branch, filter string, attributes []string, limit int) ([]*ldap.Entry, error) {
	if b.filter != "" {
		filter = "(&" + b.filter + filter + ")"
	}
	req := &ldap.SearchRequest{
		BaseDN: b.baseDN, Scope: ldap.ScopeWholeSubtree, DerefAliases: ldap.NeverDerefAliases,
		SizeLimit: limit, TimeLimit: int(timeout / time.Second), Filter: filter, Attributes: attributes,
	}
	if b.scope == "one" {
		req.Scope = ldap.ScopeSingleLevel
	}
	found, err := conn.Search(req)
	var entries []*ldap.Entry
	if found != nil {
		entries = found.Entries // those within the limit, if that is the error
	}
	if err != nil {
		return entries, c.searchFailed(b.key+".baseDN", err)
	}
	return entries, nil
}

// identity makes an identity of a person's entry.
func (c *Connector) identity(ctx context.Context, conn *ldap.Conn, person *ldap.Entry) (dexconn.Identity, error) {
	searched := claimlog.Begin(ctx, "search for groups")
	groups, err := c.groups(conn, person)
	if c.cfg.GroupSearch.BaseDN != "" {
		searched(err, "%d below %s", len(groups), c.cfg.GroupSearch.BaseDN)
	}
	c.record(ctx, person, groups)
	if err != nil {
		return dexconn.Identity{}, err
	}
	return c.person(person, groups)
}

// groupsFound is what the groups of a person are recorded as.
const groupsFound = "(groups found)"

// Replay is connector.Replayer's.
func (c *Connector) Replay(claims map[string]any) (dexconn.Identity, error) {
	attributes := map[string][]string{}
	for name, value := range claims {
		list, _ := value.([]any)
		for _, one := range list {
			attributes[name] = append(attributes[name], fmt.Sprint(one))
		}
	}
	groups := attributes[groupsFound]
	delete(attributes, groupsFound)
	dn, _ := claims["DN"].(string)
	return c.person(ldap.NewEntry(dn, attributes), groups)
}

func (c *Connector) person(person *ldap.Entry, groups []string) (dexconn.Identity, error) {
	u := c.cfg.UserSearch
	id := dexconn.Identity{
		UserID: first(person, cmp.Or(u.IDAttr, "uid")), Email: first(person, cmp.Or(u.EmailAttr, "mail")), EmailVerified: true,
		Username: first(person, u.NameAttr), PreferredUsername: first(person, u.PreferredUsernameAttr),
	}
	if u.EmailSuffix != "" && id.UserID != "" {
		id.Email = id.UserID + "@" + u.EmailSuffix
	}
	id.Username = cmp.Or(id.Username, id.PreferredUsername, id.Email)
	id.Groups = groups
	if n := len(values(person, cmp.Or(u.IDAttr, "uid"))); n > 1 {
		// They come in any order, and which of them a person may add is another question.
		return id, fault.New(fault.Precondition,
			"the directory's entry of this person has %d values of %q, which cannot identify a person", n, cmp.Or(u.IDAttr, "uid")).
			Next("set userSearch.idAttr to an attribute with one, such as entryUUID").At("config.userSearch.idAttr")
	}
	for _, want := range []struct{ key, attr, value string }{
		{"idAttr", cmp.Or(u.IDAttr, "uid"), id.UserID}, {"emailAttr", cmp.Or(u.EmailAttr, "mail"), id.Email},
	} {
		if want.value == "" {
			return id, fault.New(fault.Denied,
				"the directory's entry of this person has no attribute %q but only %s", want.attr, names(person)).
				Next("set userSearch.%s to one that all people have", want.key).At("config.userSearch." + want.key)
		}
	}
	return id, nil
}

// names lists what was read of an entry, without the values.
func names(e *ldap.Entry) string {
	var list []string
	for _, a := range e.Attributes {
		list = append(list, a.Name)
	}
	return cmp.Or(strings.Join(list, ", "), "others")
}

func (c *Connector) record(ctx context.Context, person *ldap.Entry, groups []string) {
	u := c.cfg.UserSearch
	said := map[string]any{"DN": person.DN}
	for _, a := range person.Attributes {
		said[a.Name] = values(person, a.Name)
	}
	uses := []claimlog.Use{{As: claimlog.UserID, Claim: cmp.Or(u.IDAttr, "uid")}, {As: claimlog.Email, Claim: cmp.Or(u.EmailAttr, "mail")}}
	if u.NameAttr != "" {
		uses = append(uses, claimlog.Use{As: claimlog.Name, Claim: u.NameAttr})
	}
	if u.PreferredUsernameAttr != "" {
		uses = append(uses, claimlog.Use{As: claimlog.Username, Claim: u.PreferredUsernameAttr})
	}
	if c.cfg.GroupSearch.BaseDN != "" {
		said[groupsFound] = groups
		uses = append(uses, claimlog.Use{As: claimlog.Groups, Claim: groupsFound})
	}
	claimlog.Record(ctx, said, uses...)
}

// values of an attribute whose name may be written in any case (RFC 4512, 2.5).
func values(e *ldap.Entry, name string) []string {
	if strings.EqualFold(name, "dn") {
		return []string{e.DN}
	}
	out := e.GetEqualFoldRawAttributeValues(name)
	texts := make([]string, len(out))
	for n, raw := range out {
		texts[n] = text(name, raw)
	}
	return texts
}

func first(e *ldap.Entry, name string) string {
	if v := values(e, name); name != "" && len(v) > 0 {
		return v[0]
	}
	return ""
}

// text shows Active Directory's objectGUID as its own tools do: the first three
// fields are little-endian (MS-DTYP, 2.3.4.2).
func text(name string, raw []byte) string {
	if strings.EqualFold(name, "objectGUID") && len(raw) == 16 {
		u := uuid.UUID{raw[3], raw[2], raw[1], raw[0], raw[5], raw[4], raw[7], raw[6]}
		copy(u[8:], raw[8:])
		return u.String()
	}
	if !utf8.Valid(raw) {
		return fmt.Sprintf("%x", raw)
	}
	return string(raw)
}

// groups is nil if the connector does not look for groups.
func (c *Connector) groups(conn *ldap.Conn, person *ldap.Entry) ([]string, error) {
	if c.cfg.GroupSearch.BaseDN == "" {
		return nil, nil
	}
	found, seen := []string{}, map[string]bool{}
	for _, m := range c.cfg.matchers() {
		for _, value := range values(person, m.UserAttr) {
			if err := c.addGroups(conn, m, m.GroupAttr, value, seen, &found); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// addGroups follows nested groups to the end; a group that was seen, perhaps
// because groups contain each other, is not followed again.
func (c *Connector) addGroups(conn *ldap.Conn, m userMatcher, attr, value string, seen map[string]bool, found *[]string) error {
	nameAttr := cmp.Or(c.cfg.GroupSearch.NameAttr, "cn")
	filter := fmt.Sprintf("(%s=%s)", attr, ldap.EscapeFilter(value))
	entries, err := c.search(conn, c.cfg.groups(), filter, []string{nameAttr}, 0)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if seen[e.DN] {
			continue
		}
		if len(seen) >= maxGroups {
			return fault.New(fault.Precondition, "this person is in more than %d groups", maxGroups).
				Next("narrow groupSearch.filter").At("config.groupSearch.filter")
		}
		seen[e.DN] = true
		name := first(e, nameAttr)
		if name == "" {
			return fault.New(fault.Precondition, "the directory has a group without the attribute %q", nameAttr).
				Next("set groupSearch.nameAttr to one that all groups have").At("config.groupSearch.nameAttr")
		}
		*found = append(*found, name)
		if m.RecursionGroupAttr != "" {
			if err := c.addGroups(conn, m, m.RecursionGroupAttr, e.DN, seen, found); err != nil {
				return err
			}
		}
	}
	return nil
}
