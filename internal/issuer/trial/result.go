package trial

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/dexidp/dex/connector"

	own "pachyderm/internal/connector"
	"pachyderm/internal/connector/fetch"
	"pachyderm/internal/connector/witness"
	"pachyderm/internal/fault"
	"pachyderm/internal/identity"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/issuer/upstream"
)

// result says what would come of a sign-in, as far as it got.
func (s *Server) result(ctx context.Context, b body, seen *witness.Witness, who connector.Identity, why error, issuer string) Result {
	out := Result{Claims: claims(seen, who), IsLive: b.Live != nil, Differences: differences(b.Live, b.Draft)}
	if why == nil {
		why = s.whoWouldItBe(ctx, b, who, issuer, &out)
	}
	if why == nil {
		return out
	}
	out.Error = fault.Message(why)
	if fault.KindOf(why) == fault.Internal {
		// Whoever tests is an administrator, and the connector is theirs.
		out.Error = fetch.Clean(why.Error())
	}
	return out
}

func (s *Server) whoWouldItBe(ctx context.Context, b body, who connector.Identity, issuer string, out *Result) error {
	if err := upstream.CheckAccount(who); err != nil {
		return err
	}
	instance := ""
	if b.Live != nil {
		instance = b.Live.Instance
	}
	groups, err := s.Registry.GroupNames(ctx, b.Draft.ID, instance, who.Groups)
	if err != nil {
		return err
	}
	out.Groups = groups
	out.User, out.Note, err = s.People.Preview(ctx, identity.SignIn{ConnectorID: b.Draft.ID, Instance: instance, Issuer: issuer, Subject: who.UserID, Email: who.Email, Groups: groups})
	return err
}

// claims are what the witness saw or, of connectors that tell none, what they
// made of it.
func claims(seen *witness.Witness, who connector.Identity) []Claim {
	if seen == nil || seen.Claims == nil {
		if who.UserID == "" {
			return nil
		}
		seen = madeOf(who)
	}
	var out []Claim
	for _, name := range slices.Sorted(maps.Keys(seen.Claims)) {
		if isOneTime(name) {
			continue
		}
		var uses []string
		for _, u := range seen.Uses {
			if u.Claim == name {
				uses = append(uses, u.As)
			}
		}
		out = append(out, Claim{fetch.Clean(name), short(seen.Claims[name]), strings.Join(uses, ", ")})
	}
	for _, u := range seen.Uses {
		if _, there := seen.Claims[u.Claim]; !there {
			out = append(out, Claim{fetch.Clean(u.Claim), "", u.As + ", and it is not there"})
		}
	}
	return out
}

// madeOf is what a connector that tells no witness has made of a person.
func madeOf(who connector.Identity) *witness.Witness {
	w := &witness.Witness{Claims: map[string]any{}}
	for _, said := range []struct{ claim, as, value string }{
		{"id", witness.UserID, who.UserID}, {"email", witness.Email, who.Email}, {"name", witness.Name, who.Username}, {"username", witness.Username, who.PreferredUsername},
	} {
		if said.value != "" {
			w.Claims[said.claim], w.Uses = said.value, append(w.Uses, witness.Use{As: said.as, Claim: said.claim})
		}
	}
	if who.Groups != nil {
		w.Claims["groups"], w.Uses = who.Groups, append(w.Uses, witness.Use{As: witness.Groups, Claim: "groups"})
	}
	return w
}

// isOneTime is for claims that mean something to one sign-in only.
func isOneTime(name string) bool {
	return slices.Contains([]string{"nonce", "at_hash", "c_hash", "s_hash", "jti"}, name)
}

func short(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return fetch.Clean(string(raw))
}

// same compares as documents: a number that came as JSON is another Go type
// than the same one stored.
func same(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// differences are the keys that a test would change; a secret is only said to
// be another.
func differences(live *registry.Row, draft registry.Row) []Difference {
	if live == nil {
		return nil
	}
	var out []Difference
	if live.Name != draft.Name {
		out = append(out, Difference{"name", short(live.Name), short(draft.Name)})
	}
	shownLive, shownDraft := own.Redact(live.Type, live.Config), own.Redact(draft.Type, draft.Config)
	keys := maps.Clone(live.Config)
	if keys == nil {
		keys = map[string]any{}
	}
	maps.Copy(keys, draft.Config)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		was, is := live.Config[key], draft.Config[key]
		if same(was, is) {
			continue
		}
		d := Difference{Key: "config." + key}
		if was != nil {
			d.Live = short(shownLive[key])
		}
		if is != nil {
			d.Tested = short(shownDraft[key])
		}
		out = append(out, d)
	}
	return out
}
