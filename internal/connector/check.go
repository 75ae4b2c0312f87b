package connector

import (
	"context"

	"pachyderm/internal/connector/probe"
)

// Check opens the connector and looks at all that a sign-in will need of its
// provider, short of a person. Nothing is stored.
func Check(ctx context.Context, id, typ string, config map[string]any, d Deps) []probe.Step {
	l := probe.New(d.Now)
	var p *Provider
	opened := l.Do("document", func() (result string, err error) {
		if err := CheckSecrets(typ, config); err != nil {
			return "", err
		}
		p, err = Open(id, typ, config, d)
		return "the document is complete", err
	})
	if !opened {
		return l.Steps
	}
	if c, ok := p.Connector.(interface {
		Check(context.Context, *probe.Ladder)
	}); ok {
		c.Check(ctx, l)
	} else {
		p.site.Check(ctx, l)
	}
	return l.Steps
}
