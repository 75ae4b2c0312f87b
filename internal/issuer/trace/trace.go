package trace

import (
	"context"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"pachyderm/internal/claimlog"
	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
	"pachyderm/internal/principal"
	"pachyderm/internal/requestid"
)

// Result is how a sign-in ended.
type Result string

// The results, which metrics have, too.
const (
	Completed   Result = "ok"
	Refused     Result = "refused"     // it is known who it is, and they may not sign in
	Unproven    Result = "unproven"    // such as a wrong password
	Unavailable Result = "unavailable" // the provider does not answer
	Failed      Result = "error"       // ours, or what a provider should not say
)

// ResultOf is the result of a sign-in that ended with err.
func ResultOf(err error) Result {
	switch {
	case err == nil:
		return Completed
	case fault.Is(err, fault.Unavailable):
		return Unavailable
	case fault.Is(err, fault.Unauthenticated):
		return Unproven
	case fault.Is(err, fault.Internal):
		return Failed
	}
	return Refused
}

// Trace is one sign-in.
type Trace struct {
	// Code is the id of the request that the sign-in ended in; the person sees it.
	Code      string
	At        time.Time
	Connector string
	// Revision of the connector, empty for the document of a connector test.
	Revision string
	Test     bool
	Client   string // id of the OIDC client that the person signed in to
	Result   Result
	// Person is who it is or, of one who was refused, who it would have been.
	Person principal.Name
	Body
}

// Brief is what lists have of a trace. It is how what is sealed begins, so that lists
// need not read the rest: most of that is what the provider has said.
type Brief struct {
	Took    time.Duration
	Error   string // what the person was told
	Setting string // the key of the connector's document to look at, such as config.scopes
	Next    string // what to do
}

// Body is what of a trace is stored sealed.
type Body struct {
	Brief

	Request  []Parameter // what the browser brought
	Steps    []Step
	Claims   []Claim
	Asserted []string // groups in the provider's words
	Groups   []string // and in ours
	Roles    []string // on the cluster, by the end of the sign-in
	Cause    string   // what those who were refused for the same reason have in common
	Detail   string   // what the person was told, for an administrator
	// Private is whether something of it came from this machine or a private network.
	Private bool
}

// Parameter is one of the browser's request. Its value is shown only where it
// cannot be a secret.
type Parameter struct{ Name, Value string }

// Step is what a connector did.
type Step struct {
	Name, Detail, Error string
	After, Took         time.Duration // since the sign-in came back
}

// Claim is one thing that the provider said, as JSON.
type Claim struct{ Name, Value, UsedAs string }

// Account is what a connector made of the provider's response.
type Account struct {
	UserID, Email, Name, Username string
	Groups                        []string
}

// bounds of what is kept, in items and bytes; a provider, or whoever poses as
// one, decides how much it says.
const (
	maxItems = 200
	maxText  = 2000
	// A claim is kept as long as it is so that a sign-in can be made again with it.
	maxClaim  = 16000
	maxClaims = 64000
)

// Draft is a trace in the making, in one HTTP request.
type Draft struct {
	Trace

	// Seen is what the connector has recorded by now.
	Seen func() claimlog.Seen
	// FromPrivate is whether something of it came from this machine or a private
	// network.
	FromPrivate func() bool

	began time.Time
}

// Begin begins the trace of a sign-in, and returns the context that its connector
// is to be asked with.
func Begin(ctx context.Context, now func() time.Time, connector, revision, client string) (context.Context, *Draft) {
	log := claimlog.New(now)
	d := &Draft{Seen: log.Seen, began: now()}
	_, d.Code = requestid.New(ctx)
	d.At, d.Connector, d.Revision, d.Client = d.began, connector, revision, client
	ctx, d.FromPrivate = fetch.WatchPrivate(claimlog.In(ctx, log))
	return ctx, d
}

// CameWith notes what the browser brought.
func (d *Draft) CameWith(form url.Values) {
	for _, name := range slices.Sorted(maps.Keys(form)) {
		if len(d.Request) == maxItems {
			return
		}
		value := form.Get(name)
		if !isPlain(name) {
			value = "(" + strconv.Itoa(len(value)) + " bytes)"
		}
		d.Request = append(d.Request, Parameter{fault.Clean(name, 60), fault.Clean(value, 300)})
	}
}

// isPlain is for parameters of an authorization response that tell something and
// are worth nothing (RFC 6749, 4.1.2.1, RFC 9207).
func isPlain(name string) bool {
	return slices.Contains([]string{"error", "error_description", "error_uri", "iss", "scope"}, name)
}

// End is the trace of a sign-in that the connector has answered with who, or that
// ended with err.
func (d *Draft) End(now time.Time, who Account, err error) Trace {
	t := d.Trace
	seen := d.Seen()
	t.Took, t.Result, t.Private = now.Sub(d.began), ResultOf(err), d.FromPrivate()
	t.Claims = Claims(seen, who, maxClaim)
	for _, s := range seen.Steps {
		t.Steps = append(t.Steps, Step{s.Name, fetch.Clean(s.Detail), textOf(s.Err), s.Began.Sub(d.began), s.Took})
	}
	t.Asserted, t.Groups = firstOf(t.Asserted), firstOf(t.Groups)
	if err != nil {
		t.explain(err)
	}
	return t
}

// verb is the place of a value in a format.
var verb = regexp.MustCompile(`%[+#]?[a-zA-Z]`)

func (b *Body) explain(err error) {
	b.Cause = fault.Clean(verb.ReplaceAllString(fault.Form(err), "..."), maxText)
	b.Error, b.Next, b.Setting = fault.What(err), fault.NextOf(err), fault.FieldOf(err)
	b.Detail = fault.Clean(err.Error(), maxText)
	if b.Setting == "" {
		b.Setting = missing(b.Claims)
	}
}

// missing is the setting that says where a claim is read that was not there.
func missing(claims []Claim) string {
	settings := map[string]string{
		claimlog.Email: "config.claimMapping.email", claimlog.Groups: "config.claimMapping.groups", claimlog.UserID: "config.userIDKey",
	}
	for _, c := range claims {
		if as, ok := strings.CutSuffix(c.UsedAs, isMissing); ok && settings[as] != "" {
			return settings[as]
		}
	}
	return ""
}

const isMissing = " (missing)"

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return fault.Clean(err.Error(), maxText)
}

func firstOf(list []string) []string {
	list = list[:min(len(list), maxItems)]
	out := make([]string, len(list))
	for n, text := range list {
		out[n] = fetch.Clean(text)
	}
	if list == nil {
		return nil
	}
	return out
}

// Claims are what the connector recorded or, of one that records none, what it
// made of them; each value with so many characters at most.
func Claims(seen claimlog.Seen, who Account, limit int) []Claim {
	if seen.Claims == nil {
		if who.UserID == "" {
			return nil
		}
		seen = madeOf(who)
	}
	var out []Claim
	left := maxClaims
	for _, name := range slices.Sorted(maps.Keys(seen.Claims)) {
		if isOneTime(name) || len(out) >= maxItems || left <= 0 {
			continue
		}
		var uses []string
		for _, u := range seen.Uses {
			if u.Claim == name {
				uses = append(uses, u.As)
			}
		}
		value := fault.CleanJSON(seen.Claims[name], min(limit, left))
		left -= utf8.RuneCountInString(value)
		out = append(out, Claim{fetch.Clean(name), value, strings.Join(uses, ", ")})
	}
	for _, u := range seen.Uses {
		if _, there := seen.Claims[u.Claim]; !there {
			out = append(out, Claim{fetch.Clean(u.Claim), "", u.As + isMissing})
		}
	}
	return out
}

// madeOf is what a connector that records no claims has made of a person.
func madeOf(who Account) claimlog.Seen {
	w := claimlog.Seen{Claims: map[string]any{}}
	for _, said := range []struct{ claim, as, value string }{
		{"id", claimlog.UserID, who.UserID}, {"email", claimlog.Email, who.Email}, {"name", claimlog.Name, who.Name}, {
			"username", claimlog.Username, who.Username,
		},
	} {
		if said.value != "" {
			w.Claims[said.claim], w.Uses = said.value, append(w.Uses, claimlog.Use{As: said.as, Claim: said.claim})
		}
	}
	if who.Groups != nil {
		w.Claims["groups"], w.Uses = who.Groups, append(w.Uses, claimlog.Use{As: claimlog.Groups, Claim: "groups"})
	}
	return w
}

// isOneTime is for claims that mean something to one sign-in only.
func isOneTime(name string) bool {
	return slices.Contains([]string{"nonce", "at_hash", "c_hash", "s_hash", "jti"}, name)
}
