package trust

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"pachyderm/internal/audit"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/principal"
	"pachyderm/internal/webaddr"
)

// Topic is what db.Watch calls a trust that was deleted; the key is its id.
const Topic = "trust"

// MaxTTL is the longest that a token from a trust may live.
const MaxTTL = time.Hour

// Trust lets workloads that have a token of another issuer be a robot.
type Trust struct {
	ID string
	// Issuer is compared exactly with the claim iss, Audience with those of aud.
	Issuer, Audience string
	Robot            principal.Name
	// Claims are what a token must say, each as it is or, with * as its last
	// character, as its beginning. There is at least one.
	Claims map[string]string
	// TTL is how long the robot's tokens live.
	TTL time.Duration
	// JWKS are the issuer's keys (RFC 7517), where they cannot be fetched from it.
	JWKS string
	// RootCAs are authorities for its certificate, each PEM or a file with it.
	RootCAs []string

	CreatedBy principal.Name
	Created   time.Time
}

// GrantID is what the tokens from a trust are known by; grants of people have
// ids without a colon.
func GrantID(id string) string { return grantPrefix + id }

const grantPrefix = "trust:"

// OfGrantID is the id of the trust, or "" for what began otherwise.
func OfGrantID(grantID string) string {
	id, ok := strings.CutPrefix(grantID, grantPrefix)
	if !ok {
		return ""
	}
	return id
}

const (
	maxClaims = 20
	maxText   = 1000      // bytes, of an address or a value
	maxJWKS   = 64 << 10  // bytes
	maxCAs    = 128 << 10 // bytes
)

var validID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// Check holds a trust to what can be trusted. The issuer own is our own, whose
// tokens are people's. Fault: Invalid, at the field.
func (t *Trust) Check(own string, allowHTTP bool) error {
	if !validID.MatchString(t.ID) {
		return invalid("id", "%q is not an id", fault.Clean(t.ID, 80)).Next("use letters, digits, dots, dashes and underscores, at most 63")
	}
	if err := t.checkIssuer(own, allowHTTP); err != nil {
		return err
	}
	switch {
	case t.Audience == "":
		return invalid("audience", "without an audience any token of the issuer would do, also one that was made for another service").
			Next("choose one that only tokens for Pachyderm have, such as %s", own)
	case len(t.Audience) > maxText:
		return invalid("audience", "it is longer than %d bytes", maxText)
	case strings.HasPrefix(t.Audience, "https://kubernetes.default.svc"):
		return invalid("audience", "tokens for this audience open the API server of Kubernetes, and should be sent nowhere else").
			Next("project a token with an audience of its own, such as %s", own)
	}
	if t.TTL == 0 {
		t.TTL = MaxTTL
	}
	switch {
	case t.TTL < time.Minute || t.TTL > MaxTTL:
		return invalid("ttl", "it is %s", t.TTL).Next("set one between 1m and %s", MaxTTL)
	case len(t.JWKS) > maxJWKS:
		return invalid("jwks", "it is longer than %d bytes", maxJWKS)
	case len(strings.Join(t.RootCAs, "")) > maxCAs:
		return invalid("rootCAs", "they are longer than %d bytes", maxCAs)
	}
	return t.checkClaims()
}

func invalid(field, format string, a ...any) *fault.Error {
	return fault.New(fault.Invalid, format, a...).At(field)
}

func (t *Trust) checkIssuer(own string, allowHTTP bool) error {
	u, err := webaddr.Parse(t.Issuer)
	switch {
	case err != nil || len(t.Issuer) > maxText || !webaddr.IsBare(u) || webaddr.HasQuery(u):
		return invalid("issuer", "%q is not the address of an issuer", fault.Clean(t.Issuer, 80)).
			Next("write the claim iss of its tokens, such as https://token.actions.githubusercontent.com")
	case !webaddr.IsSafe(u, allowHTTP):
		return invalid("issuer", "anybody on the way could answer for %s", fault.Clean(t.Issuer, 80)).Next("use https")
	case strings.TrimSuffix(t.Issuer, "/") == strings.TrimSuffix(own, "/"):
		return invalid("issuer", "this is Pachyderm itself, whose tokens are people's").
			Next("give robots tokens with: pachctl auth get-robot-token")
	}
	return nil
}

// reserved are claims that are checked by themselves.
var reserved = []string{"iss", "aud", "exp", "nbf", "iat"} //nolint:gochecknoglobals // constant

func (t *Trust) checkClaims() error {
	if len(t.Claims) == 0 {
		return invalid("claims", "without any, every workload of the issuer would be %s", t.Robot).
			Next("name at least one, such as sub")
	}
	if len(t.Claims) > maxClaims {
		return invalid("claims", "there are more than %d", maxClaims)
	}
	for _, name := range slices.Sorted(maps.Keys(t.Claims)) {
		value, at := t.Claims[name], "claims."+name
		begins, star := strings.CutSuffix(value, "*")
		switch {
		case name == "" || len(name) > 100 || len(value) > maxText:
			return invalid("claims", "a name or value is empty or too long")
		case slices.Contains(reserved, name):
			return invalid(at, "this claim is checked by itself").Next("use issuer and audience, and leave this out")
		case value == "" || star && begins == "":
			return invalid(at, "it would say nothing").Next("write what the claim must be, or how it must begin")
		case strings.Contains(begins, "*"):
			return invalid(at, "a * stands for the rest of a value, and only at its end").
				Next("write a trust for each value, or what they have in common at the beginning")
		}
	}
	return t.checkTenant()
}

// tenants are issuers that sign for everybody in the world, and how a claim says
// for whom: whatever a trust demands beside, one of these must be among it.
var tenants = map[string]map[string]*regexp.Regexp{ //nolint:gochecknoglobals // constant
	"token.actions.githubusercontent.com": {
		"sub":                 regexp.MustCompile(`^repo:[^/*]+/`),
		"repository":          regexp.MustCompile(`^[^/*]+/`),
		"repository_owner":    regexp.MustCompile(`^[^*]+$`),
		"repository_id":       regexp.MustCompile(`^[^*]+$`),
		"repository_owner_id": regexp.MustCompile(`^[^*]+$`),
	},
	"gitlab.com": {
		"sub":            regexp.MustCompile(`^project_path:[^/*]+/`),
		"project_path":   regexp.MustCompile(`^[^/*]+/`),
		"namespace_path": regexp.MustCompile(`^[^*]+$|^[^/*]+/`),
		"project_id":     regexp.MustCompile(`^[^*]+$`),
		"namespace_id":   regexp.MustCompile(`^[^*]+$`),
	},
}

func (t *Trust) checkTenant() error {
	u, err := url.Parse(t.Issuer)
	if err != nil {
		return invalid("issuer", "it is not an address")
	}
	known := tenants[strings.ToLower(u.Hostname())]
	if known == nil {
		return nil
	}
	for name, form := range known {
		if value, ok := t.Claims[name]; ok && form.MatchString(value) {
			return nil
		}
	}
	return invalid("claims", "%s signs for everybody, and nothing here says whose workloads are meant", u.Hostname()).
		Next("name the owner or the project, in one of %s, and the whole name of the owner before any *",
			strings.Join(slices.Sorted(maps.Keys(known)), ", "))
}

// Claims are those of a token whose signature was verified.
type Claims map[string]any

// Text is a claim that is text, or "".
func (c Claims) Text(name string) string {
	s, _ := c[name].(string)
	return s
}

// Audiences are for whom the token was made (RFC 7519, 4.1.3).
func (c Claims) Audiences() (all []string) {
	switch aud := c["aud"].(type) {
	case string:
		all = append(all, aud)
	case []any:
		for _, a := range aud {
			if s, ok := a.(string); ok {
				all = append(all, s)
			}
		}
	}
	return all
}

// Match is nil if a token's claims are what the trust demands, or says what is
// not. Fault: Denied.
func (t *Trust) Match(c Claims) error {
	if c.Text("iss") != t.Issuer {
		return fault.New(fault.Denied, "it is of another issuer")
	}
	if !slices.Contains(c.Audiences(), t.Audience) {
		return fault.New(fault.Denied, "it was made for %s, and the trust demands the audience %q",
			list(c.Audiences()), t.Audience)
	}
	for _, name := range slices.Sorted(maps.Keys(t.Claims)) {
		want := t.Claims[name]
		got, ok := text(c[name])
		begins, star := strings.CutSuffix(want, "*")
		switch {
		case !ok:
			return fault.New(fault.Denied, "it has no claim %q that is text, a number or a boolean", name)
		case star && !strings.HasPrefix(got, begins) || !star && got != want:
			return fault.New(fault.Denied, "the claim %q is %q, and the trust demands %q", name, fault.Clean(got, 200), want)
		}
	}
	return nil
}

func list(audiences []string) string {
	if len(audiences) == 0 {
		return "no audience"
	}
	return fault.Clean(fmt.Sprintf("%q", audiences), 200)
}

// text is a claim as documents write it.
func text(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return fmt.Sprint(v), true
	case json.Number:
		return v.String(), true
	}
	return "", false
}

// Create stores a trust. Fault: Exists.
func Create(ctx context.Context, tx *db.Tx, by audit.By, t Trust) error {
	err := insert(ctx, tx, t)
	if fault.Is(err, fault.Exists) {
		return fault.New(fault.Exists, "there is a trust %q already", t.ID).
			Next("delete it first with: pachctl idp trust delete %s", t.ID).At("id")
	}
	if err != nil {
		return err
	}
	return by.Record(ctx, tx, "trust.create", "trust/"+t.ID, t.Robot.String())
}

// Delete removes a trust. Fault: NotFound.
func Delete(ctx context.Context, tx *db.Tx, by audit.By, id string) error {
	n, err := remove(ctx, tx, id)
	if err == nil && n == 0 {
		return fault.New(fault.NotFound, "there is no trust %q", fault.Clean(id, 80)).
			Next("list them with: pachctl idp trust list")
	}
	if err != nil {
		return err
	}
	return by.Record(ctx, tx, "trust.delete", "trust/"+id, "")
}

// Confirm refuses a trust that has been deleted since it was read. Fault: NotFound.
func Confirm(ctx context.Context, tx *db.Tx, t Trust) error {
	found, err := find(ctx, tx, `id = $1`, t.ID)
	if err == nil && (len(found) == 0 || found[0].Created != t.Created) {
		err = fault.New(fault.NotFound, "the trust %q was deleted", t.ID)
	}
	return err
}
