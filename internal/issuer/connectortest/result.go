package connectortest

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	dexconn "github.com/dexidp/dex/connector"

	"pachyderm/internal/connector"
	"pachyderm/internal/connector/claimlog"
	"pachyderm/internal/connector/fetch"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/identity"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/issuer/upstream"
	"pachyderm/internal/secret"
)

// result says what would come of a sign-in, as far as it got.
func (s *Service) result(ctx context.Context, a attempt, why error) Result {
	b := a.body
	out := Result{Claims: claims(a.seen.Seen(), a.who), IsLive: b.Live != nil, Differences: differences(b.Live, b.Tested)}
	if why == nil {
		why = s.whoWouldItBe(ctx, a, &out)
	}
	if a.private && !b.MayGrant {
		return out.withheld(why != nil)
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

// withheld is a result without what was read at an address that whoever tests
// may not be able to reach: they choose the address and which part is shown.
func (r Result) withheld(failed bool) Result {
	const asks = "ask a clusterAdmin to run this test"
	for n := range r.Claims {
		r.Claims[n].Value = secret.Mask
	}
	r.User, r.Groups = "", nil
	r.Note = "the provider is on this machine or in a private network, and what it says is shown to a clusterAdmin only: " + asks
	if failed {
		r.Error = "the sign-in would be refused, and why is shown to a clusterAdmin only, since the provider is in a private network: " + asks
	}
	return r
}

func (s *Service) whoWouldItBe(ctx context.Context, a attempt, out *Result) error {
	if err := upstream.CheckAccount(a.who); err != nil {
		return err
	}
	instance, tested := "", a.body.Tested
	if a.body.Live != nil {
		instance = a.body.Live.Instance
	}
	groups, err := s.registry.GroupNames(ctx, tested.ID, instance, a.who.Groups)
	if err != nil {
		return err
	}
	out.Groups = groups
	return s.db.View(ctx, func(tx *db.Tx) (err error) {
		out.User, out.Note, err = identity.Preview(ctx, tx, identity.SignIn{
			ConnectorID: tested.ID, Instance: instance, Issuer: a.issuer, Subject: a.who.UserID, Email: a.who.Email, Groups: groups,
		})
		return err
	})
}

// claims are what the connector recorded or, of one that records none, what it
// made of them.
func claims(seen claimlog.Seen, who dexconn.Identity) []Claim {
	if seen.Claims == nil {
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
			out = append(out, Claim{fetch.Clean(u.Claim), "", u.As + " (missing)"})
		}
	}
	return out
}

// madeOf is what a connector that records no claims has made of a person.
func madeOf(who dexconn.Identity) claimlog.Seen {
	w := claimlog.Seen{Claims: map[string]any{}}
	for _, said := range []struct{ claim, as, value string }{
		{"id", claimlog.UserID, who.UserID}, {"email", claimlog.Email, who.Email}, {"name", claimlog.Name, who.Username}, {
			"username", claimlog.Username, who.PreferredUsername,
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

func short(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return fetch.Clean(string(raw))
}

// differences are the keys that a test would change; a secret is only said to
// be another.
func differences(live *registry.Row, tested registry.Row) []Difference {
	if live == nil {
		return nil
	}
	var out []Difference
	if live.Name != tested.Name {
		out = append(out, Difference{"name", short(live.Name), short(tested.Name)})
	}
	shownLive, shownTested := connector.Redact(live.Type, live.Config), connector.Redact(tested.Type, tested.Config)
	keys := maps.Clone(live.Config)
	if keys == nil {
		keys = map[string]any{}
	}
	maps.Copy(keys, tested.Config)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		was, is := live.Config[key], tested.Config[key]
		if connector.Equal(was, is) {
			continue
		}
		d := Difference{Key: "config." + key}
		if was != nil {
			d.Live = short(shownLive[key])
		}
		if is != nil {
			d.Tested = short(shownTested[key])
		}
		out = append(out, d)
	}
	return out
}
