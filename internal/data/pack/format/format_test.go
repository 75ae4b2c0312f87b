package format_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"pachyderm/internal/data/pack/format"
)

func build(t testing.TB, blobs ...[]byte) *format.Builder {
	t.Helper()
	b, err := format.NewBuilder(format.NewBuffers(format.LargeBuffer))
	if err != nil {
		t.Fatal(err)
	}
	for n, data := range blobs {
		b.Add(format.ID{byte(n)}, append(bytes.Repeat([]byte{0xff}, format.Head), data...))
	}
	b.Finish()
	return b
}

func cipher(t testing.TB, b *format.Builder, pack string) *format.Cipher {
	t.Helper()
	c, err := format.NewCipher(pack, b.Key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestBuilder_ListAndBlobs(t *testing.T) {
	blobs := [][]byte{nil, {7}, bytes.Repeat([]byte("text "), 100_000), make([]byte, 70<<10)}
	b := build(t, blobs...)
	c := cipher(t, b, b.Pack)
	all, err := c.List(b.Data)
	if err != nil || !slices.Equal(all, b.Entries) || len(all) != len(blobs) {
		t.Fatalf("%v, %v", all, err)
	}
	if len(b.Data) > 100<<10 {
		t.Errorf("nothing was compressed: %d bytes", len(b.Data))
	}
	for n, e := range all {
		got, err := c.Open(nil, e, b.Data[e.Off:][:e.Len])
		if err != nil || !bytes.Equal(got, blobs[n]) || e.ID != (format.ID{byte(n)}) {
			t.Errorf("%d: %d bytes, %v", n, len(got), err)
		}
	}
}

// What was sealed opens in its own place only.
func TestCipher_Elsewhere(t *testing.T) {
	b := build(t, []byte("first"), []byte("second"))
	right := b.Entries[0]
	sealed := b.Data[right.Off:][:right.Len]
	for name, of := range map[string]struct {
		cipher *format.Cipher
		entry  format.Entry
	}{
		"another pack":   {cipher(t, b, "another"), right},
		"another id":     {cipher(t, b, b.Pack), format.Entry{ID: format.ID{9}, Off: right.Off, Len: right.Len, Raw: right.Raw}},
		"another offset": {cipher(t, b, b.Pack), format.Entry{ID: right.ID, Off: right.Off + 1, Len: right.Len, Raw: right.Raw}},
		"another length": {cipher(t, b, b.Pack), format.Entry{ID: right.ID, Off: right.Off, Len: right.Len, Raw: right.Raw + 1}},
	} {
		if got, err := of.cipher.Open(nil, of.entry, sealed); !errors.Is(err, format.ErrDamaged) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if bytes.Contains(b.Data, []byte("first")) {
		t.Error("it is in the clear")
	}
}

func FuzzList(f *testing.F) {
	b := build(f, []byte("first"), []byte("second"))
	f.Add(b.Data)
	f.Add(b.Data[len(b.Data)-12:])
	f.Add([]byte("pachpk1\n\xff\xff\xff\xffpachpk1e"))
	f.Add([]byte("pachpk1\n\x00\x00\x00\x00pachpk1e"))
	c := cipher(f, b, b.Pack)
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := c.List(data)
		if err == nil && !slices.Equal(all, b.Entries) {
			t.Errorf("%v of what nobody has sealed", all)
		}
	})
}
