package saml

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/beevik/etree"
	dexconn "github.com/dexidp/dex/connector"

	"pachyderm/internal/claimlog"
	"pachyderm/internal/connector/refuse"
	"pachyderm/internal/connector/saml/xmltree"
	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
	"pachyderm/internal/principal"
)

// nameID is what the NameID is called where an attribute is named.
const nameID = "NameID"

// attribute is one that the provider sent, of one or several Attribute elements
// with its name.
type attribute struct {
	friendly string
	values   []string
	// broken is set if a value has more in it than text. It matters only to who
	// uses the attribute: some providers send XML in ones that nobody asked for.
	broken bool
}

// said is all that an assertion says of a person.
type said struct {
	attributes map[string]*attribute
	nameID     string
	transient  bool
}

func read(a *etree.Element) (said, error) {
	s := said{attributes: map[string]*attribute{}}
	for _, statement := range xmltree.Children(a, xmltree.Assertion, "AttributeStatement") {
		for _, el := range xmltree.Children(statement, xmltree.Assertion, "Attribute") {
			at := s.attributes[xmltree.Attr(el, "Name")]
			if at == nil {
				at = &attribute{friendly: xmltree.Attr(el, "FriendlyName")}
				s.attributes[xmltree.Attr(el, "Name")] = at
			}
			for _, value := range xmltree.Children(el, xmltree.Assertion, "AttributeValue") {
				v, ok := xmltree.Text(value)
				if !ok {
					at.broken = true
				} else if v != "" && !slices.Contains(at.values, v) {
					at.values = append(at.values, v)
				}
			}
		}
	}
	subject, err := xmltree.Child(a, xmltree.Assertion, "Subject")
	if err != nil || subject == nil {
		return s, err
	}
	id, err := xmltree.Child(subject, xmltree.Assertion, nameID)
	if err != nil || id == nil {
		return s, err
	}
	value, ok := xmltree.Text(id)
	if !ok {
		return s, refuse.Response("the provider's NameID has more in it than text").
			Next("look at what it sends")
	}
	s.nameID, s.transient = value, xmltree.Attr(id, "Format") == formatTransient
	return s, nil
}

// find is the attribute of that name or, if there is none, the only one of that
// friendly name, which is no more than a label.
func (s said) find(name string) (*attribute, error) {
	if name == nameID {
		if s.nameID == "" {
			return nil, nil
		}
		return &attribute{values: []string{s.nameID}}, nil
	}
	found := s.attributes[name]
	if found == nil {
		for _, at := range s.attributes {
			if at.friendly != name {
				continue
			}
			if found != nil {
				return nil, refuse.Response("several of the provider's attributes have the friendly name %q", fetch.Clean(name)).
					Next("name the one that is meant by its Name")
			}
			found = at
		}
	}
	if found != nil && found.broken {
		return nil, refuse.Response("the provider's attribute %q has more in it than text", fetch.Clean(name)).
			Next("correct it there, or set another attribute")
	}
	return found, nil
}

// one is the single value of an attribute, "" if it is absent or empty.
func (s said) one(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	at, err := s.find(name)
	switch {
	case err != nil || at == nil || len(at.values) == 0:
		return "", err
	case len(at.values) > 1:
		return "", refuse.Response("the provider's attribute %q has %d values where one is expected", fetch.Clean(name), len(at.values)).
			Next("send one, or name another attribute")
	}
	return at.values[0], nil
}

// names lists the attributes that were sent, for the message that one is missing;
// their values are nobody's business.
func (s said) names() string {
	const limit = 30
	var names []string
	if s.nameID != "" {
		names = append(names, nameID)
	}
	for _, name := range slices.Sorted(maps.Keys(s.attributes)) {
		if friendly := s.attributes[name].friendly; friendly != "" && friendly != name {
			name += " (" + friendly + ")"
		}
		if len(names) < limit {
			names = append(names, fetch.Clean(name))
		}
	}
	return cmp.Or(strings.Join(names, ", "), "nothing else")
}

func (s said) claims() map[string]any {
	claims := make(map[string]any, len(s.attributes)+1)
	for name, at := range s.attributes {
		switch len(at.values) {
		case 0:
			claims[name] = ""
		case 1:
			claims[name] = at.values[0]
		default:
			claims[name] = at.values
		}
	}
	if s.nameID != "" {
		claims[nameID] = s.nameID
	}
	return claims
}

// identity maps an assertion that is verified.
func (c *Connector) identity(ctx context.Context, a *etree.Element) (dexconn.Identity, error) {
	s, err := read(a)
	if err != nil {
		return dexconn.Identity{}, err
	}
	c.record(ctx, s)
	return c.person(s)
}

// Replay is connector.Replayer's. It knows attributes by their names only, and takes
// the NameID for one that stays.
func (c *Connector) Replay(claims map[string]any) (dexconn.Identity, error) {
	s := said{attributes: map[string]*attribute{}}
	for name, value := range claims {
		var values []string
		switch v := value.(type) {
		case string:
			if v != "" {
				values = []string{v}
			}
		case []any:
			for _, one := range v {
				values = append(values, fmt.Sprint(one))
			}
		}
		if name == nameID && len(values) == 1 {
			s.nameID = values[0]
			continue
		}
		s.attributes[name] = &attribute{values: values}
	}
	return c.person(s)
}

func (c *Connector) person(s said) (id dexconn.Identity, err error) {
	none := dexconn.Identity{}
	if id.UserID, err = c.userID(s); err != nil {
		return none, err
	}
	if id.Email, err = c.email(s); err != nil {
		return none, err
	}
	id.EmailVerified = true
	if id.PreferredUsername, err = s.one(c.cfg.UsernameAttr); err != nil {
		return none, err
	}
	if id.Username, err = s.one(c.cfg.NameAttr); err != nil {
		return none, err
	}
	id.Username = cmp.Or(id.Username, id.PreferredUsername, id.Email)
	id.Groups, err = c.groups(s, id.UserID)
	return id, err
}

func (c *Connector) record(ctx context.Context, s said) {
	var uses []claimlog.Use
	for _, use := range []claimlog.Use{
		{As: claimlog.UserID, Claim: c.userIDFrom(s)},
		{As: claimlog.Email, Claim: c.cfg.EmailAttr},
		{As: claimlog.Username, Claim: c.cfg.UsernameAttr},
		{As: claimlog.Name, Claim: cmp.Or(c.cfg.NameAttr, c.cfg.UsernameAttr)},
		{As: claimlog.Groups, Claim: c.cfg.GroupsAttr},
	} {
		if use.Claim != "" {
			uses = append(uses, use)
		}
	}
	claimlog.Record(ctx, s.claims(), uses...)
}

// userIDFrom is the NameID, unless that is missing or new at each sign-in.
func (c *Connector) userIDFrom(s said) string {
	if s.nameID == "" || s.transient {
		return c.cfg.UsernameAttr
	}
	return nameID
}

func (c *Connector) userID(s said) (string, error) {
	const limit = 256 // SAML core, 8.3.7
	from := c.userIDFrom(s)
	if from == "" && s.transient {
		return "", fault.New(fault.Precondition,
			"the provider sends a transient NameID, which is new at each sign-in and cannot identify a person").
			Next("have it send a persistent one, or set usernameAttr").At("config.nameIDPolicyFormat")
	}
	if from == "" {
		return "", fault.New(fault.Precondition, "the provider does not say who this is: it sent no NameID but only %s", s.names()).
			Next("have it send one, or set usernameAttr").At("config.usernameAttr")
	}
	id, err := s.one(from)
	switch {
	case err != nil:
		return "", err
	case id == "":
		return "", fault.New(fault.Precondition,
			"the provider does not say who this is: it sent no %s but only %s", fetch.Clean(from), s.names()).
			Next("have it send that, or set usernameAttr to another attribute").At("config.usernameAttr")
	case len(id) > limit || strings.TrimSpace(id) != id || strings.ContainsFunc(id, unicode.IsControl):
		return "", refuse.Response(
			"the provider's %s is not a user id: it is longer than %d bytes, begins or ends with white space, or has control characters",
			fetch.Clean(from), limit).
			Next("set usernameAttr to an attribute that is one, or correct it at the provider").At("config.usernameAttr")
	}
	return id, nil
}

// email is believed: that SAML knows no word for a verified address makes it the
// provider's duty to send no other.
func (c *Connector) email(s said) (string, error) {
	email, err := s.one(c.cfg.EmailAttr)
	switch {
	case err != nil:
		return "", err
	case email == "":
		return "", fault.New(fault.Denied, "the provider sent no e-mail address (attribute %q) but only %s", c.cfg.EmailAttr, s.names()).
			Next("set emailAttr to the attribute that holds it, or have the provider send it").At("config.emailAttr")
	case !principal.IsEmail(email):
		return "", refuse.Response(
			"the provider's attribute %q is %q, which is not exactly one e-mail address", c.cfg.EmailAttr, fetch.Clean(email)).
			Next("set emailAttr to the attribute that holds it, or correct it at the provider").At("config.emailAttr")
	}
	return email, nil
}

// groups are nil if the connector does not ask for any, which leaves what is
// known of them as it is; that the provider sent none means that there are none.
func (c *Connector) groups(s said, userID string) ([]string, error) {
	if c.cfg.GroupsAttr == "" {
		return nil, nil
	}
	at, err := s.find(c.cfg.GroupsAttr)
	if err != nil {
		return nil, err
	}
	groups := []string{}
	if at != nil {
		for _, value := range at.values {
			for _, group := range c.split(value) {
				if group != "" && !slices.Contains(groups, group) {
					groups = append(groups, group)
				}
			}
		}
	}
	allowed := c.cfg.AllowedGroups
	if len(allowed) == 0 {
		return groups, nil
	}
	isOther := func(g string) bool { return !slices.Contains(allowed, g) }
	matching := slices.DeleteFunc(slices.Clone(groups), isOther)
	if len(matching) == 0 {
		// Dex tells this error from others.
		cause := &dexconn.UserNotInRequiredGroupsError{UserID: userID, Groups: allowed}
		return nil, fault.New(fault.Denied, "only members of certain groups may sign in here, and this account is in none of them").
			Next("ask an administrator").Because(cause)
	}
	if c.cfg.FilterGroups {
		return matching, nil
	}
	return groups, nil
}

func (c *Connector) split(value string) []string {
	if c.cfg.GroupsDelim == "" {
		return []string{value}
	}
	parts := strings.Split(value, c.cfg.GroupsDelim)
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}
