package keyed_test

import (
	"bytes"
	"sync"
	"testing"

	"github.com/zeebo/blake3"

	"pachyderm/internal/data/content"
	"pachyderm/internal/data/pack/keyed"
)

var key = bytes.Repeat([]byte{7}, 32)

// want is a hash as the library makes it of all at once.
func want(t *testing.T, purpose string, data []byte) (sum [32]byte) {
	t.Helper()
	derived := make([]byte, 32)
	blake3.DeriveKey("pachyderm pack 1 "+purpose, key, derived)
	h, err := blake3.NewKeyed(derived)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = h.Write(data)
	copy(sum[:], h.Sum(nil))
	return sum
}

// A hasher that was used before, for more, for less and by others at the same time, makes
// the same as a new one.
func TestHashes_UsedAgain(t *testing.T) {
	k, err := keyed.New(key)
	if err != nil {
		t.Fatal(err)
	}
	list := []content.Extent{{Blob: content.ID{1}, Length: 5}, {Blob: content.ID{2}, Length: 1 << 40}}
	var listed []byte
	for _, e := range list {
		listed = append(listed, e.Blob[:]...)
		for n := range 8 {
			listed = append(listed, byte(e.Length>>(8*n)))
		}
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for _, size := range []int{0, 1, 100_000, 1, 4096, 8192, 8193, 64, 65, 1024, 0, 3000} {
				data := bytes.Repeat([]byte{byte(size)}, size)
				if k.Blob(data) != want(t, "blob", data) || k.File(data) != want(t, "file", data) || k.Node(data) != want(t, "node", data) {
					t.Errorf("%d bytes have another hash", size)
				}
				if k.List(list) != want(t, "list", listed) || k.List(nil) != want(t, "list", nil) {
					t.Error("a list has another hash")
				}
			}
		})
	}
	all.Wait()
}
