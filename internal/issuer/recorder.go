package issuer

import (
	"bytes"
	"net/http"
	"net/url"
)

// recorder holds back a response of Dex until it is known how the login went.
// Its responses are pages and redirects of a few kilobytes.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func record(h http.Handler, r *http.Request) *recorder {
	rec := &recorder{header: http.Header{}, status: http.StatusOK}
	h.ServeHTTP(rec, r)
	return rec
}

func (rec *recorder) Header() http.Header         { return rec.header }
func (rec *recorder) WriteHeader(status int)      { rec.status = status }
func (rec *recorder) Write(b []byte) (int, error) { return rec.body.Write(b) }

func (rec *recorder) flush(w http.ResponseWriter) {
	for k, v := range rec.header {
		w.Header()[k] = v
	}
	w.WriteHeader(rec.status)
	_, _ = w.Write(rec.body.Bytes())
}

// addIssuer names the issuer in an authorization response (RFC 9207), which
// Dex leaves out.
func (rec *recorder) addIssuer(issuer string) {
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
