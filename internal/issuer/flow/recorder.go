package flow

import (
	"bytes"
	"net/http"
	"net/url"
)

// Recorder holds back a response of Dex until it is known how the login went.
// Its responses are pages and redirects of a few kilobytes.
type Recorder struct {
	header http.Header
	Status int
	Body   bytes.Buffer
}

// Record runs a handler and keeps its response.
func Record(h http.Handler, r *http.Request) *Recorder {
	rec := &Recorder{header: http.Header{}, Status: http.StatusOK}
	h.ServeHTTP(rec, r)
	return rec
}

// Header, WriteHeader and Write are http.ResponseWriter.
func (rec *Recorder) Header() http.Header         { return rec.header }
func (rec *Recorder) WriteHeader(status int)      { rec.Status = status }
func (rec *Recorder) Write(b []byte) (int, error) { return rec.Body.Write(b) }

// Flush writes the response out.
func (rec *Recorder) Flush(w http.ResponseWriter) {
	for k, v := range rec.header {
		w.Header()[k] = v
	}
	w.WriteHeader(rec.Status)
	_, _ = w.Write(rec.Body.Bytes())
}

// AddIssuer names the issuer in an authorization response (RFC 9207), which
// Dex leaves out.
func (rec *Recorder) AddIssuer(issuer string) {
	u, err := url.Parse(rec.header.Get("Location"))
	if err != nil {
		return
	}
	q := u.Query()
	if !q.Has("code") && !q.Has("error") {
		return
	}
	q.Set("iss", issuer)
	u.RawQuery = q.Encode()
	rec.header.Set("Location", u.String())
}
