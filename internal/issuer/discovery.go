package issuer

import (
	"context"
	"net/http"

	"pachyderm/internal/issuer/endpoint"
	"pachyderm/internal/web/record"
)

func (h *handler) makeDiscovery() error {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, h.url.AbsURL("/.well-known/openid-configuration"), nil)
	if err == nil {
		h.discovery, err = endpoint.Discovery(record.Of(h.dex, r).Bytes(), func(path string) string { return h.url.AbsURL(path) })
	}
	return err
}
