package issuer

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"

	"pachyderm/internal/issuer/flow"
)

// ReachedAt says where browsers reach the issuer if not by its own name, as in
// a cluster whose name for it means nothing outside (upstream's
// user_accessible_issuer_host); nil for its own name. It is for the start.
func (i *Issuer) ReachedAt(outside func(context.Context) *url.URL) { i.reachedAt = outside }

// Outside is an address of the issuer's as browsers reach it.
func (i *Issuer) Outside(ctx context.Context, address string) string {
	u, err := url.Parse(address)
	at := i.outsideHost(ctx)
	if err != nil || at == nil {
		return address
	}
	u.Host = at.Host
	if at.Scheme != "" {
		u.Scheme = at.Scheme
	}
	return u.String()
}

func (i *Issuer) outsideHost(ctx context.Context) *url.URL {
	if i.reachedAt == nil {
		return nil
	}
	return i.reachedAt(ctx)
}

// rehost sends a browser that came by another name to where its cookie is,
// unless that is a name which browsers have for us.
func (s *served) rehost(w http.ResponseWriter, r *http.Request) bool {
	if r.Host != s.bind.Issuer.Host {
		if at := s.outsideHost(r.Context()); at != nil && at.Host == r.Host {
			return false
		}
	}
	return s.bind.Rehost(w, r)
}

// outsideDevice has the answer to a device name pages that its person's
// browser reaches.
func (s *served) outsideDevice(w http.ResponseWriter, r *http.Request) {
	if s.outsideHost(r.Context()) == nil {
		s.dex.ServeHTTP(w, r)
		return
	}
	rec := flow.Record(s.dex, r)
	answer := map[string]any{}
	if json.Unmarshal(rec.Body.Bytes(), &answer) != nil {
		rec.Flush(w)
		return
	}
	for _, name := range []string{"verification_uri", "verification_uri_complete"} {
		if address, ok := answer[name].(string); ok {
			answer[name] = s.Outside(r.Context(), address)
		}
	}
	maps.Copy(w.Header(), rec.Header())
	w.Header().Del("Content-Length")
	w.WriteHeader(rec.Status)
	_ = json.NewEncoder(w).Encode(answer)
}
