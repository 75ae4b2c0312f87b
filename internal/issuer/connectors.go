package issuer

import (
	"context"
	"time"

	"pachyderm/internal/audit"
	"pachyderm/internal/connector"
	"pachyderm/internal/connector/probe"
	"pachyderm/internal/db"
	"pachyderm/internal/issuer/connectortest"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/issuer/upstream"
	"pachyderm/internal/principal"
)

// CheckConnector looks, step by step, at what a sign-in with a document will
// need of its provider; it connects to where the document says, with its
// secrets. Faults: those of Registry.ForTest.
func (i *Issuer) CheckConnector(ctx context.Context, by principal.Name, c registry.Connector) ([]probe.Step, error) {
	tested, _, err := i.Registry.ForTest(ctx, c)
	if err != nil {
		return nil, err
	}
	steps := connector.Check(ctx, tested.ID, tested.Type, tested.Config, i.deps().ForDeclared(tested.Managed))
	return steps, i.with.DB.Update(ctx, func(tx *db.Tx) error {
		return audit.By{Actor: by, At: i.with.Now()}.Record(ctx, tx, "connector.check", "connector/"+tested.ID, tested.Type)
	})
}

// StartTest begins a real sign-in with a document that is not stored, at the
// address that it returns. Faults: those of Registry.ForTest and connector.Open.
func (i *Issuer) StartTest(ctx context.Context, by registry.Author, c registry.Connector,
) (id, address string, expires time.Time, err error) {
	tested, live, err := i.Registry.ForTest(ctx, c)
	if err != nil {
		return "", "", expires, err
	}
	id, expires, err = i.tests.Start(ctx, by, tested, live)
	return id, i.TestURL(ctx, id), expires, err
}

// TestURL is where a person signs in for a connector test.
func (i *Issuer) TestURL(ctx context.Context, id string) string {
	return i.Outside(ctx, i.Endpoint("/connector-test/"+id))
}

// WaitTest waits a while for the end of a connector test. Fault: NotFound.
func (i *Issuer) WaitTest(ctx context.Context, by principal.Name, id string) (connectortest.Result, bool, error) {
	return i.tests.Wait(ctx, by, id)
}

// ProviderHealth is the health of a connector's provider, and what of it ends.
type ProviderHealth struct {
	upstream.Health
	Expiries []probe.Expiry
}

// Health is the health of each connector, by id.
func (i *Issuer) Health(ctx context.Context) (map[string]ProviderHealth, error) {
	rows, err := i.Registry.Rows(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[string]ProviderHealth, len(rows))
	for _, r := range rows {
		out[r.ID] = ProviderHealth{i.Providers.Health(r), i.Providers.Expiries(r)}
	}
	return out, nil
}
