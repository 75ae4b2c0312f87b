package codec

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"
)

// Whatever is sent, only so much is in memory once it is decompressed.
func TestGzip_ExpandsWithinABound(t *testing.T) {
	g := &boundedGzip{Compressor: encoding.GetCompressor(gzip.Name)}
	packed := func(n int) io.Reader {
		var b bytes.Buffer
		w, err := g.Compress(&b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, n)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return &b
	}
	open := func(n int) io.Reader {
		r, err := g.Decompress(packed(n))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if n, err := io.Copy(io.Discard, open(maxExpanded)); err != nil || n != maxExpanded {
		t.Errorf("the largest: %d bytes, %v", n, err)
	}
	if n, err := io.Copy(io.Discard, open(10*maxExpanded)); status.Code(err) != codes.ResourceExhausted || n > maxExpanded+64<<10 {
		t.Errorf("too large: %d bytes, %v", n, err)
	}
	var under []io.Reader
	for range maxExpanding / maxExpanded {
		r := open(maxExpanded)
		if _, err := io.ReadFull(r, make([]byte, maxExpanded-1)); err != nil {
			t.Fatal(err)
		}
		under = append(under, r)
	}
	if _, err := io.Copy(io.Discard, open(1<<20)); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("one too many: %v", err)
	}
	for _, r := range under {
		if _, err := io.Copy(io.Discard, r); err != nil {
			t.Error(err)
		}
	}
	if r := open(10); g.expanding.Load() != 0 {
		t.Errorf("%d bytes are counted when none is under way", g.expanding.Load())
	} else if _, err := io.ReadAll(r); err != nil && !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}
