package blobtest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"pachyderm/internal/data/blob"
	"pachyderm/internal/fault"
)

// Open opens a store. Each call of one test's Open opens the same one again, as after
// a restart.
type Open func(t *testing.T) blob.Store

// Run holds stores to what blob.Store says; fresh makes an empty one for each test.
func Run(t *testing.T, fresh func(t *testing.T) Open) {
	for name, test := range map[string]func(*testing.T, blob.Store, Open){
		"what is put is there, in parts too": ranges, "an object outlives a restart": restart,
		"what is absent": absent, "lists are in the order of bytes": lists, "large objects": large,
		"many at once": concurrent, "a context that has ended": cancelled, "names that are none": badNames,
		"the same again": again, "it can be checked": check,
	} {
		t.Run(name, func(t *testing.T) {
			open := fresh(t)
			test(t, open(t), open)
		})
	}
}

// Noise is so many bytes that nothing compresses, the same for the same seed.
func Noise(seed uint64, size int) []byte {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	data := make([]byte, size)
	_, _ = rand.NewChaCha8(key).Read(data) // never fails
	return data
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func reads(t *testing.T, s blob.Store, name string, offset int64, want []byte) {
	t.Helper()
	got, err := s.Get(t.Context(), name, offset, int64(len(want)))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes of %s from %d are not what was put there: %v", len(want), name, offset, err)
	}
}

func list(t *testing.T, s blob.Store, prefix string) (names []string) {
	t.Helper()
	for o, err := range s.List(t.Context(), prefix) {
		must(t, err)
		names = append(names, o.Name)
	}
	return names
}

func ranges(t *testing.T, s blob.Store, _ Open) {
	data := Noise(1, 10_000)
	must(t, s.Put(t.Context(), "some/object", data))
	for _, r := range [][2]int{{0, 10_000}, {0, 1}, {9_999, 1}, {5_000, 5_000}, {100, 200}, {0, 0}, {10_000, 0}} {
		reads(t, s, "some/object", int64(r[0]), data[r[0]:r[0]+r[1]])
	}
	for _, r := range [][2]int64{{0, 10_001}, {9_999, 2}, {10_000, 1}, {20_000, 1}, {20_000, 0}, {-1, 1}, {0, -1}, {1, math.MaxInt64}} {
		got, err := s.Get(t.Context(), "some/object", r[0], r[1])
		if err == nil || fault.Is(err, fault.NotFound) || fault.Is(err, fault.Unavailable) {
			t.Errorf("%d bytes from %d of 10,000: %d bytes, %v", r[1], r[0], len(got), err)
		}
	}
	must(t, s.Put(t.Context(), "empty", nil))
	reads(t, s, "empty", 0, nil)
	o, err := s.Head(t.Context(), "some/object")
	if err != nil || o.Name != "some/object" || o.Size != 10_000 || o.Modified.Year() < 2026 {
		t.Errorf("%+v, %v", o, err)
	}
}

func restart(t *testing.T, s blob.Store, open Open) {
	data := Noise(2, 5_000)
	must(t, s.Put(t.Context(), "kept", data))
	must(t, s.Put(t.Context(), "deleted", data))
	must(t, s.Delete(t.Context(), "deleted"))
	anew := open(t)
	reads(t, anew, "kept", 0, data)
	if got := list(t, anew, ""); len(got) != 1 || got[0] != "kept" {
		t.Errorf("it has %q", got)
	}
}

func absent(t *testing.T, s blob.Store, _ Open) {
	must(t, s.Put(t.Context(), "there", []byte("x")))
	for _, length := range []int64{0, 1} {
		if _, err := s.Get(t.Context(), "absent", 0, length); !fault.Is(err, fault.NotFound) {
			t.Errorf("get %d bytes: %v", length, err)
		}
	}
	if _, err := s.Head(t.Context(), "absent"); !fault.Is(err, fault.NotFound) {
		t.Errorf("head: %v", err)
	}
	if _, err := s.Head(t.Context(), "the"); !fault.Is(err, fault.NotFound) {
		t.Errorf("head of what another begins with: %v", err)
	}
	for range 2 {
		must(t, s.Delete(t.Context(), "there"))
	}
	if _, err := s.Get(t.Context(), "there", 0, 1); !fault.Is(err, fault.NotFound) {
		t.Errorf("get of what is deleted: %v", err)
	}
	must(t, s.Delete(t.Context(), "never/was"))
}

func lists(t *testing.T, s blob.Store, _ Open) {
	// "-" sorts before "/", and that before digits, "_" and letters.
	want := []string{"a", "a-b", "a/b", "a/b-c", "a/b/c", "a0", "a_b", "ab", "abc", "b", "pack/00", "pack/01", "z9"}
	for n, name := range slices.Backward(want) {
		must(t, s.Put(t.Context(), name, Noise(1, n)))
	}
	for _, prefix := range []string{"", "a", "a/", "a/b", "pack/", "pack/01", "z", "nothing"} {
		var some []string
		for _, name := range want {
			if strings.HasPrefix(name, prefix) {
				some = append(some, name)
			}
		}
		if got := list(t, s, prefix); fmt.Sprint(got) != fmt.Sprint(some) {
			t.Errorf("with %q\n got %q\nwant %q", prefix, got, some)
		}
	}
	for o, err := range s.List(t.Context(), "pack/") {
		if err != nil || o.Size != 10 || o.Modified.Year() < 2026 {
			t.Errorf("%+v, %v", o, err)
		}
		break // whoever has seen enough stops
	}
	for i := range 1100 { // more than a page of any store
		must(t, s.Put(t.Context(), fmt.Sprintf("many/%04d", i), nil))
	}
	got := list(t, s, "many/")
	if len(got) != 1100 || got[0] != "many/0000" || got[1099] != "many/1099" {
		t.Errorf("of 1100 it lists %d", len(got))
	}
}

func large(t *testing.T, s blob.Store, _ Open) {
	data := Noise(3, 32<<20)
	must(t, s.Put(t.Context(), "large", data))
	reads(t, s, "large", 0, data)
	reads(t, s, "large", 31<<20-5, data[31<<20-5:])
}

func concurrent(t *testing.T, s blob.Store, _ Open) {
	var all sync.WaitGroup
	for n := range uint64(16) {
		all.Go(func() {
			for i := range uint64(8) {
				name := fmt.Sprintf("%d/%d", n, i)
				data := Noise(n*8+i, 10_000)
				if err := s.Put(t.Context(), name, data); err != nil {
					t.Error(err)
					return
				}
				reads(t, s, name, 7, data[7:])
				if i%2 == 0 {
					if err := s.Delete(t.Context(), name); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	if got := list(t, s, ""); len(got) != 64 {
		t.Errorf("%d are left of 128", len(got))
	}
}

func cancelled(t *testing.T, s blob.Store, _ Open) {
	must(t, s.Put(t.Context(), "there", []byte("x")))
	ctx, stop := context.WithCancel(t.Context())
	stop()
	_, get := s.Get(ctx, "there", 0, 1)
	_, head := s.Head(ctx, "there")
	var listed error
	for _, err := range s.List(ctx, "") {
		listed = err
	}
	for what, err := range map[string]error{
		"put": s.Put(ctx, "not", []byte("x")), "get": get, "head": head, "delete": s.Delete(ctx, "there"), "list": listed, "check": s.Check(ctx),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if got := list(t, s, ""); len(got) != 1 || got[0] != "there" {
		t.Errorf("it has %q", got)
	}
}

func badNames(t *testing.T, s blob.Store, _ Open) {
	for _, name := range []string{
		"", ".", "..", "../x", "a/../b", "a.b", "/a", "a/", "a//b", "A", "ä", "a b", "a\x00", "a+b", `a\b`, strings.Repeat("a", 201),
	} {
		_, get := s.Get(t.Context(), name, 0, 0)
		_, head := s.Head(t.Context(), name)
		for what, err := range map[string]error{
			"put": s.Put(t.Context(), name, []byte("x")), "get": get, "head": head, "delete": s.Delete(t.Context(), name),
		} {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("%s %q: %v", what, name, err)
			}
		}
	}
	for _, err := range s.List(t.Context(), "../") {
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("list: %v", err)
		}
	}
	longest := strings.Repeat("ab/c", 50)
	must(t, s.Put(t.Context(), longest, []byte("x")))
	if got := list(t, s, ""); len(got) != 1 || got[0] != longest {
		t.Errorf("it has %q", got)
	}
}

func again(t *testing.T, s blob.Store, open Open) {
	data := Noise(4, 100_000)
	for range 3 {
		must(t, s.Put(t.Context(), "same", data))
	}
	reads(t, s, "same", 0, data)
	if got := list(t, open(t), ""); len(got) != 1 {
		t.Errorf("it has %q", got)
	}
}

func check(t *testing.T, s blob.Store, _ Open) {
	must(t, s.Check(t.Context()))
	if got := list(t, s, ""); len(got) != 0 {
		t.Errorf("checking has left %q", got)
	}
}
