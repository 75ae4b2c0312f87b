package s3

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

const (
	// requestFor is how long one request may take, what is sent and what is answered
	// included: a pack at 60 kB/s.
	requestFor = 5 * time.Minute
	// longestAnswer is for answers that are no object, in bytes: a page of a list has a
	// thousand names.
	longestAnswer = 8 << 20
	// emptyPages is how many pages of a list may have nothing of what is asked for.
	emptyPages = 1000
)

var (
	errLong = errors.New("the store's answer does not end")
	errLoop = errors.New("the store's list does not end")
)

// bounded is a transport that waits for no answer, and reads none, without end.
type bounded struct {
	http.RoundTripper

	wait time.Duration
}

// RoundTrip is http.RoundTripper's.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if l, ok := r.Context().Value(listKey{}).(*listing); ok {
		if err := l.next(r.URL.Query().Get("continuation-token")); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), b.wait)
	res, err := b.RoundTripper.RoundTrip(r.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	res.Body = &answer{res.Body, cancel, longestAnswer, res.StatusCode == http.StatusPartialContent}
	return res, nil
}

// answer is a body, which ends in time. That of an object is read by whoever knows how
// long it is.
type answer struct {
	io.ReadCloser

	cancel context.CancelFunc
	left   int64
	object bool
}

// Read is io.Reader's.
func (a *answer) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	if a.left -= int64(n); a.left < 0 && !a.object {
		return 0, errLong
	}
	return n, err
}

// Close is io.Closer's.
func (a *answer) Close() error {
	a.cancel()
	return a.ReadCloser.Close()
}

type listKey struct{}

// listing is how far a list is.
type listing struct {
	token string
	empty int
}

// next refuses to ask for a page once more, and for many without anything.
func (l *listing) next(token string) error {
	if l.empty++; l.empty > emptyPages || token != "" && token == l.token {
		return errLoop
	}
	l.token = token
	return nil
}
