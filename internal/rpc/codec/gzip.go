package codec

import (
	"io"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/gzip" // upstream's clients may compress
	"google.golang.org/grpc/status"
)

// gRPC decompresses messages before anybody is asked who sends them, and a KiB may be a
// MiB. Upstream's clients compress what they put, in pieces of 2 MiB.
const (
	// maxExpanded is how long a message may be that was compressed, in bytes, and
	// maxExpanding all that are being decompressed at a time.
	maxExpanded  = 4 << 20
	maxExpanding = 8 * maxExpanded
)

// BoundGzip has all that is compressed share the bound. gRPC keeps its compressors for
// the whole program.
var BoundGzip = sync.OnceFunc(func() {
	encoding.RegisterCompressor(&boundedGzip{Compressor: encoding.GetCompressor(gzip.Name)})
})

type boundedGzip struct {
	encoding.Compressor
	expanding atomic.Int64
}

// Decompress is encoding.Compressor's.
func (g *boundedGzip) Decompress(r io.Reader) (io.Reader, error) {
	from, err := g.Compressor.Decompress(r)
	if err != nil {
		return nil, err
	}
	return &expansion{of: g, from: from}, nil
}

// expansion is one message. It counts until it has been read to its end, or to where it
// is too long.
type expansion struct {
	of   *boundedGzip
	from io.Reader
	got  int64
	done error
}

// Read is io.Reader's.
func (e *expansion) Read(p []byte) (int, error) {
	if e.done != nil {
		return 0, e.done
	}
	n, err := e.from.Read(p)
	e.got += int64(n)
	all := e.of.expanding.Add(int64(n))
	switch {
	case e.got > maxExpanded:
		e.done = status.Errorf(codes.ResourceExhausted, "a compressed message is larger than %d bytes: send it uncompressed", maxExpanded)
	case err != nil:
		e.done = err
	case all > maxExpanding:
		e.done = status.Error(codes.ResourceExhausted, "too much is being decompressed: try again, or send it uncompressed")
	default:
		return n, nil
	}
	e.of.expanding.Add(-e.got)
	return n, e.done
}
