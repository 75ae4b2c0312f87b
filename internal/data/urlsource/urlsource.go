package urlsource

import (
	"context"
	"io"
	"net/url"
	"slices"
	"time"

	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
)

const (
	// idle is after how long without a byte a file is given up.
	idle = time.Minute
	// MaxBytes is how long a file may be. A put has no other bound, but the caller of one
	// is known, and who sends what a URL leads to need not be.
	MaxBytes = 1 << 40
	// piece is how much is written at a time, in bytes.
	piece = 1 << 20
)

// buckets are the schemes of object stores. They would be read by a driver beside
// internal/data/blob/s3, with credentials that somebody has to have given for it.
var buckets = []string{"s3", "gs", "azblob", "wasb", "minio"}

// Source reads files. It is safe for concurrent use.
type Source struct{ stream *fetch.Streamer }

// New makes one that connects no further than reach: what it gets is shown to whoever
// named the URL.
func New(reach fetch.Reach) *Source { return &Source{reach.Streamer(idle, MaxBytes)} }

// Copy gives the bytes of what is at a URL to add, piece by piece and at least once. A
// piece stays as it is until add is called with the one after the next.
// Faults: Invalid, Unimplemented, Precondition, Unavailable, those of add.
func (s *Source) Copy(ctx context.Context, from string, add func([]byte) error) error {
	u, err := url.Parse(from)
	if err != nil || u.Scheme == "" { // the error has all of it, which may be secret
		return fault.New(fault.Invalid, "a URL cannot be read").Next("write it with its scheme, such as https://example.com/file")
	}
	switch {
	case slices.Contains(buckets, u.Scheme):
		return fault.New(fault.Unimplemented, "%s:// sources are not part of this pachd yet", u.Scheme).
			Next("get the file, and put that, or use an https address of it")
	case u.Scheme == "file":
		return fault.New(fault.Invalid, "file:// would name a file of the server").Next("put the file itself")
	case u.Scheme != "http" && u.Scheme != "https":
		return fault.New(fault.Invalid, "the scheme %s is not one that files are read by", fetch.Clean(u.Scheme)).Next("use https")
	case u.Host == "":
		return fault.New(fault.Invalid, "%s names no host", fetch.Bare(u)).Next("write it as https://host/path")
	}
	r, err := s.stream.Open(ctx, u)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	return inPieces(r, add)
}

func inPieces(r io.Reader, add func([]byte) error) error {
	var two [2][]byte
	for i, first := 0, true; ; i, first = 1-i, false {
		if two[i] == nil {
			two[i] = make([]byte, piece)
		}
		b := two[i]
		n, err := fill(r, b)
		if n > 0 || first && err == io.EOF { //nolint:errorlint // as fill gives it
			if err := add(b[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF: //nolint:errorlint // as fill gives it
			return nil
		case err != nil:
			return err
		}
	}
}

// fill reads until b is full or there is an error. io.ReadFull would take a stream that
// ends early for one that ends.
func fill(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var more int
		more, err = r.Read(b[n:])
		n += more
	}
	return n, err
}
