package exchange

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"pachyderm/internal/connector/oidc/keyset"
	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
	"pachyderm/internal/people/trust"
	"pachyderm/internal/secret"
)

const (
	// maxToken is far more than any issuer's token is long, in bytes.
	maxToken = 16 << 10
	// skew is what the clocks of two machines may differ by.
	skew = time.Minute
)

// token is a JWT that is not verified yet.
type token struct {
	signed     *jose.JSONWebSignature
	unverified trust.Claims
}

// parse reads a JWT of a workload. Fault: Invalid.
func parse(raw secret.Text) (token, error) {
	compact := strings.TrimSpace(raw.Reveal())
	if len(compact) > maxToken {
		return token{}, fault.New(fault.Invalid, "the token is longer than %d bytes", maxToken)
	}
	signed, err := jose.ParseSignedCompact(compact, keyset.Algorithms())
	if err != nil {
		return token{}, fault.New(fault.Invalid, "it is not a JWT that a key pair has signed").
			Next("send the token that the issuer gave the workload, and nothing else").Because(err)
	}
	// Other kinds of JWT, such as logout tokens, are for other uses (RFC 8725, 3.11).
	switch typ, _ := signed.Signatures[0].Header.ExtraHeaders[jose.HeaderType].(string); strings.ToLower(typ) {
	case "", "jwt", "at+jwt", "application/at+jwt":
	default:
		return token{}, fault.New(fault.Invalid, "it is a JWT of type %q, which is for another use", fault.Clean(typ, 80))
	}
	t := token{signed: signed, unverified: trust.Claims{}}
	if err := fetch.Decode(signed.UnsafePayloadWithoutVerification(), &t.unverified); err != nil {
		return token{}, fault.New(fault.Invalid, "what the JWT says is not JSON").Because(err)
	}
	return t, nil
}

// checkTimes holds a token to its own times (RFC 7519, 4.1.4 to 4.1.6). One that
// never ends is refused: nobody could take it back. Fault: Denied.
func (t token) checkTimes(now time.Time) error {
	exp, err := t.time("exp")
	if err != nil {
		return err
	}
	if exp.IsZero() {
		return fault.New(fault.Denied, "it never expires").
			Next("use a token that does: Kubernetes projects one into a pod (serviceAccountToken)")
	}
	if !now.Before(exp.Add(skew)) {
		return fault.New(fault.Denied, "it expired at %s", exp.UTC().Format(time.RFC3339)).Next("use a fresh one")
	}
	for _, name := range []string{"nbf", "iat"} {
		from, err := t.time(name)
		if err != nil {
			return err
		}
		if now.Add(skew).Before(from) {
			return fault.New(fault.Denied, "it is from the future: %s is %s", name, from.UTC().Format(time.RFC3339)).
				Next("compare the clocks of both machines")
		}
	}
	return nil
}

func (t token) time(name string) (time.Time, error) {
	v, ok := t.unverified[name]
	if !ok {
		return time.Time{}, nil
	}
	n, ok := v.(json.Number)
	seconds, err := n.Float64()
	if !ok || err != nil || seconds <= 0 || seconds > maxSeconds {
		return time.Time{}, fault.New(fault.Denied, "its claim %q is not a time", name)
	}
	return time.Unix(int64(seconds), 0), nil
}

// maxSeconds is the end of the year 9999.
const maxSeconds = 253402300799
