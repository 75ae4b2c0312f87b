package file

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"testing"

	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/tree"
)

const sessions = 8

// inTurn has one goroutine write to many sessions in turn, and gives what there should be.
func inTurn(t *testing.T, s *Service, prefix string) map[string][]byte {
	t.Helper()
	const rounds = 4
	random, noise := rand.New(rand.NewPCG(1, 2)), rand.NewChaCha8([32]byte{})
	want := map[string][]byte{}
	var all []*Session
	for n := range sessions {
		w, err := s.Begin(t.Context(), by, graph.Ref{Repo: images, Name: fmt.Sprintf("%s%d", prefix, n)})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		all = append(all, w)
	}
	add := func(n int, path string, data []byte) {
		if err := all[n].Add(path, "", data); err != nil {
			t.Fatal(err)
		}
		at := fmt.Sprint(n, path)
		want[at] = append(want[at], data...)
	}
	for round := range rounds {
		for n := range all {
			piece := make([]byte, 100_000+random.IntN(900_000))
			if n%3 > 0 { // in the others no chunk ends by itself
				_, _ = noise.Read(piece) // never fails
			}
			add(n, "/large", piece)
			if round%2 == 1 && n%4 == 1 {
				small := fmt.Sprintf("/small%d", round)
				if err := all[n].Delete(small, ""); err != nil {
					t.Fatal(err)
				}
				add(n, small, piece[:10_000])
			}
			for i := range 150 * (n % 2) {
				add(n, fmt.Sprintf("/many/%d/%d", round, i), piece[i:i+1000])
			}
		}
	}
	for _, w := range all {
		if _, err := w.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	return want
}

// Sessions that one goroutine writes to in turn, with far less memory than all of them
// have, end with what was written, and with the same hashes as if there were enough.
func TestSession_ManyInTurnWithLittleMemory(t *testing.T) {
	both := services(t, 1<<20, 1<<30)
	hashes := make([]map[string]tree.Hash, len(both))
	for i, s := range both {
		prefix := fmt.Sprintf("s%d-", i)
		want := inTurn(t, s, prefix)
		hashes[i] = map[string]tree.Hash{}
		for n := range sessions {
			v, err := s.View(t.Context(), graph.Ref{Repo: images, Name: fmt.Sprintf("%s%d", prefix, n)})
			if err != nil {
				t.Fatal(err)
			}
			for f, err := range v.Walk(t.Context(), "/", tree.Page{}) {
				if err != nil {
					t.Fatal(err)
				}
				if f.Dir {
					continue
				}
				at := fmt.Sprint(n, f.Path)
				hashes[i][at] = f.Hash
				r, err := v.Open(t.Context(), f, 0)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(r)
				if err != nil || !bytes.Equal(got, want[at]) {
					t.Errorf("%s: %d bytes, %v; wanted %d", at, len(got), err, len(want[at]))
				}
			}
		}
		if len(hashes[i]) != len(want) {
			t.Errorf("%d files, wanted %d", len(hashes[i]), len(want))
		}
	}
	if !maps.Equal(hashes[0], hashes[1]) {
		t.Error("with little memory the hashes are others")
	}
}
