package record

import (
	"bytes"
	"net/http"
	"net/url"
)

// Recorder holds back a response until it is known how the login went.
// Its responses are pages and redirects of a few kilobytes.
type Recorder struct {
	bytes.Buffer // the body
	Status       int
	header       http.Header
}

// Of runs a handler and keeps its response.
func Of(h http.Handler, r *http.Request) *Recorder {
	rec := &Recorder{header: http.Header{}, Status: http.StatusOK}
	h.ServeHTTP(rec, r)
	return rec
}

// Header and WriteHeader are http.ResponseWriter, with the Write of the body.
func (rec *Recorder) Header() http.Header    { return rec.header }
func (rec *Recorder) WriteHeader(status int) { rec.Status = status }

// Redirect is where the response sends the browser, or nil.
func (rec *Recorder) Redirect() *url.URL {
	to := rec.header.Get("Location")
	if to == "" || rec.Status < 300 || rec.Status > 399 {
		return nil
	}
	u, err := url.Parse(to)
	if err != nil {
		return nil
	}
	return u
}

// Follow is the request that a browser would make, which a response to r has sent
// elsewhere in this server.
func Follow(r *http.Request, to *url.URL) *http.Request {
	r = r.Clone(r.Context())
	r.Method, r.URL, r.RequestURI = http.MethodGet, to, to.RequestURI()
	r.Body, r.ContentLength, r.Form, r.PostForm = http.NoBody, 0, nil, nil
	r.Header.Del("Content-Type")
	return r
}

// Flush writes the response out.
func (rec *Recorder) Flush(w http.ResponseWriter) {
	for k, v := range rec.header {
		w.Header()[k] = v
	}
	w.WriteHeader(rec.Status)
	_, _ = w.Write(rec.Bytes())
}
