package issuer

import (
	"context"
	"net/http"
	"net/url"

	"pachyderm/internal/web/browser"
	"pachyderm/internal/webaddr"
)

// ReachedAt says where browsers reach the issuer if not by its own name, as in
// a cluster whose name for it means nothing outside (upstream's
// user_accessible_issuer_host); nil for its own name. It is for the start.
func (i *Issuer) ReachedAt(outside func(context.Context) *url.URL) { i.reachedAt = outside }

// Outside is an address of the issuer's as browsers reach it.
func (i *Issuer) Outside(ctx context.Context, address string) string {
	return webaddr.At(address, i.outsideHost(ctx))
}

func (i *Issuer) outsideHost(ctx context.Context) *url.URL {
	if i.reachedAt == nil {
		return nil
	}
	return i.reachedAt(ctx)
}

// hostOf is the name by which a browser came, of those that are ours: anybody can write
// another into a request, and what is counted by it takes room.
func (h *handler) hostOf(r *http.Request) string {
	if at := h.issuer.outsideHost(r.Context()); r.Host != h.url.Host && (at == nil || at.Host != r.Host) {
		return "another name"
	}
	return r.Host
}

// rehost sends a browser that came by another name to where its cookie is,
// unless that is a name which browsers have for us.
func (h *handler) rehost(w http.ResponseWriter, r *http.Request) bool {
	if r.Host != h.url.Host {
		if at := h.issuer.outsideHost(r.Context()); at != nil && at.Host == r.Host {
			return false
		}
	}
	return browser.Rehost(w, r, h.url.URL)
}
