package chunk_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"pachyderm/internal/data/pack/chunk"
)

func table(seed uint64) *[256]uint64 {
	r := rand.New(rand.NewPCG(seed, 1))
	var gear [256]uint64
	for n := range gear {
		gear[n] = r.Uint64()
	}
	return &gear
}

func noise(size int) []byte {
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
	return data
}

// lengths cuts data that comes in pieces of a length.
func lengths(gear *[256]uint64, data []byte, piece int) (all []int) {
	c := chunk.New(gear)
	n := 0
	for p := range slices.Chunk(data, piece) {
		for len(p) > 0 {
			used, end := c.Next(p)
			n, p = n+used, p[used:]
			if end {
				all, n = append(all, n), 0
			}
		}
	}
	if n > 0 {
		all = append(all, n)
	}
	return all
}

func TestCutter_PiecesMakeNoDifference(t *testing.T) {
	data := noise(20 << 20)
	want := lengths(table(1), data, len(data))
	for _, piece := range []int{1, 65, 4096, chunk.Min} {
		if got := lengths(table(1), data, piece); !slices.Equal(got, want) {
			t.Errorf("in pieces of %d: %d, not %d", piece, got, want)
		}
	}
}

func TestCutter_Lengths(t *testing.T) {
	data := noise(120 << 20)
	all := lengths(table(1), data, len(data))
	sum := 0
	for n, length := range all {
		sum += length
		if length > chunk.Max || length < chunk.Min && n < len(all)-1 {
			t.Errorf("a chunk of %d bytes", length)
		}
	}
	if sum != len(data) {
		t.Errorf("%d bytes of %d", sum, len(data))
	}
	if mean := sum / len(all); mean < 3<<19 || mean > 5<<19 {
		t.Errorf("chunks of %d bytes on average, not of 2 MiB", mean)
	}
	if slices.Equal(all, lengths(table(2), data, len(data))) {
		t.Error("whoever does not know the table knows where it cuts")
	}
}

// Bytes that are all alike have no place to cut at.
func TestCutter_Zeros(t *testing.T) {
	for _, length := range lengths(table(1), make([]byte, 3*chunk.Max), 1<<20) {
		if length != chunk.Max {
			t.Errorf("a chunk of %d", length)
		}
	}
}

// Each chunk is cut as if nothing had come before it, so that who appends can begin there.
func TestCutter_BeginsAnewWithEachChunk(t *testing.T) {
	data := noise(20 << 20)
	whole := lengths(table(1), data, len(data))
	if rest := lengths(table(1), data[whole[0]:], 1<<20); !slices.Equal(rest, whole[1:]) {
		t.Errorf("%d after the first chunk of %d", rest, whole)
	}
	if !bytes.Equal(data[:3], noise(3)) {
		t.Error("the bytes were changed")
	}
}
