package connector

import (
	"context"

	"pachyderm/internal/connector/probe"
)

// Check opens the connector and looks at all that a sign-in will need of its
// provider, short of a person. Nothing is stored.
func Check(ctx context.Context, id, typ string, config map[string]any, d Deps) []probe.Step {
	r := probe.New(d.Now)
	r.Limit = d.Reach
	var p *Provider
	opened := r.Do("document", func() (result string, err error) {
		if err := CheckSecrets(typ, config); err != nil {
			return "", err
		}
		p, err = Open(id, typ, config, d)
		return "the document is complete", err
	})
	if !opened {
		return r.Steps
	}
	if c, ok := p.Connector.(Checker); ok {
		c.Check(ctx, r)
	} else {
		p.site.Check(ctx, r)
	}
	return r.Steps
}
