package record

import (
	"bytes"
	"net/http"
)

// Recorder holds back a response until it is known how the login went.
// Its responses are pages and redirects of a few kilobytes.
type Recorder struct {
	header http.Header
	Status int
	Body   bytes.Buffer
}

// Of runs a handler and keeps its response.
func Of(h http.Handler, r *http.Request) *Recorder {
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
