package record

import (
	"bytes"
	"net/http"
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

// Flush writes the response out.
func (rec *Recorder) Flush(w http.ResponseWriter) {
	for k, v := range rec.header {
		w.Header()[k] = v
	}
	w.WriteHeader(rec.Status)
	_, _ = w.Write(rec.Bytes())
}
