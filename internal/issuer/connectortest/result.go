package connectortest

import (
	"context"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/issuer/trace"
	"pachyderm/internal/issuer/upstream"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
)

// result says what would come of a sign-in, as far as it got.
func (s *Service) result(ctx context.Context, a *attempt, why error) Result {
	b, who := a.body, upstream.Account(a.who)
	out := Result{Claims: trace.Claims(a.trace.Seen(), who, maxShown), IsLive: b.Live != nil, Differences: differences(b.Live, b.Tested)}
	if why == nil {
		why = s.whoWouldItBe(ctx, a, &out)
	}
	a.trace.Connector, a.trace.Person, a.trace.Asserted, a.trace.Groups = b.Tested.ID, out.User, who.Groups, out.Groups
	s.traces.Add(a.trace.End(s.now(), who, why))
	if a.trace.FromPrivate() && !b.MayGrant {
		return out.withheld(why != nil)
	}
	if why == nil {
		return out
	}
	out.Error = fault.Message(why)
	if fault.KindOf(why) == fault.Internal && !b.Outsider {
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

func (s *Service) whoWouldItBe(ctx context.Context, a *attempt, out *Result) error {
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
	if a.body.Outsider {
		out.User, err = principal.OfUser(a.who.Email) // whoever has an account here is not their business
		return err
	}
	return s.db.View(ctx, func(tx *db.Tx) (err error) {
		out.User, out.Note, err = identity.Preview(ctx, tx, identity.SignIn{
			ConnectorID: tested.ID, Instance: instance, Issuer: a.issuer, Subject: a.who.UserID, Email: a.who.Email, Groups: groups,
		})
		return err
	})
}

// maxShown is how many characters of a value are shown.
const maxShown = 200

func differences(live *registry.Row, tested registry.Row) []registry.Difference {
	if live == nil {
		return nil
	}
	return registry.Between(live.Connector, tested.Connector)
}
