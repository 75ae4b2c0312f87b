package issuer

import (
	"context"
	"time"

	"pachyderm/internal/connector"
	"pachyderm/internal/connector/probe"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/issuer/trial"
	"pachyderm/internal/issuer/upstream"
	"pachyderm/internal/principal"
)

// CheckConnector looks, step by step, at what a sign-in with a document will
// need of its provider. Faults: those of registry.Draft.
func (i *Issuer) CheckConnector(ctx context.Context, c registry.Connector) ([]probe.Step, error) {
	draft, _, err := i.Draft(ctx, c)
	if err != nil {
		return nil, err
	}
	return connector.Check(ctx, draft.ID, draft.Type, draft.Config, i.deps()), nil
}

// StartTrial begins a real sign-in with a document that is not stored, at the
// address that it returns. Faults: those of registry.Draft and connector.Open.
func (i *Issuer) StartTrial(ctx context.Context, by principal.Name, c registry.Connector) (id, address string, expires time.Time, err error) {
	draft, live, err := i.Draft(ctx, c)
	if err != nil {
		return "", "", expires, err
	}
	id, expires, err = i.trials.Start(ctx, by, draft, live)
	return id, i.Outside(ctx, i.Endpoint("/trial/"+id)), expires, err
}

// WaitTrial waits a while for the end of a trial. Fault: NotFound.
func (i *Issuer) WaitTrial(ctx context.Context, by principal.Name, id string) (trial.Result, bool, error) {
	return i.trials.Wait(ctx, by, id)
}

// Health is the health of each connector, by id.
func (i *Issuer) Health(ctx context.Context) (map[string]upstream.Health, error) {
	rows, err := i.Rows(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[string]upstream.Health, len(rows))
	for _, r := range rows {
		out[r.ID] = i.providers.Health(r)
	}
	return out, nil
}
