package file

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"

	"pachyderm/internal/data/tree"
	"pachyderm/internal/fault"
)

// filled writes so many files, /000000 and on, and is a view of them.
func filled(t *testing.T, s *Service, files int) *View {
	t.Helper()
	w, err := s.Begin(t.Context(), by, master)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for n := range files {
		if err := w.Add(fmt.Sprintf("/%06d", n), "", []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	made, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	v, err := s.View(t.Context(), made.Commit)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// left reads until the caller goes, which is when the first has come: how many more come
// then, and the error at the end.
func left[T any](ctx context.Context, read func(context.Context) iter.Seq2[T, error]) (more int, last error) {
	ctx, goes := context.WithCancel(ctx)
	defer goes()
	more = -1
	for _, err := range read(ctx) {
		goes()
		if last = err; err == nil {
			more++
		}
	}
	return more, last
}

// What is left of a node that is at hand may still come.
func TestView_EndsWithItsCaller(t *testing.T) {
	s := service(t)
	const files = 5000
	v := filled(t, s, files)
	for name, read := range map[string]func(context.Context) iter.Seq2[Info, error]{
		"List": func(ctx context.Context) iter.Seq2[Info, error] { return v.List(ctx, "/", tree.Page{}) },
		"Walk": func(ctx context.Context) iter.Seq2[Info, error] { return v.Walk(ctx, "/", tree.Page{}) },
		"Walk back": func(ctx context.Context) iter.Seq2[Info, error] {
			return v.Walk(ctx, "/", tree.Page{Reverse: true})
		},
	} {
		for _, err := range read(t.Context()) { // so that all nodes are at hand
			if err != nil {
				t.Fatal(err)
			}
		}
		if more, err := left(t.Context(), read); !errors.Is(err, context.Canceled) || more > files/2 {
			t.Errorf("%s: %d more files, and %v", name, more, err)
		}
	}
	more, err := left(t.Context(), func(ctx context.Context) iter.Seq2[Change, error] { return s.Diff(ctx, v, nil, "/", "", false) })
	if !errors.Is(err, context.Canceled) || more > files/2 {
		t.Errorf("Diff: %d more changes, and %v", more, err)
	}
}

// All files are in one node, and none but the first matches.
func TestViewGlob_EndsWithItsCallerThoughNothingMatches(t *testing.T) {
	v := filled(t, service(t), 20)
	for _, pattern := range []string{"/{000000,x}", "/00000[0]", "/**0000"} {
		more, err := left(t.Context(), func(ctx context.Context) iter.Seq2[Info, error] { return v.Glob(ctx, pattern, Range{}) })
		if more != 0 || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %d more files, and %v", pattern, more, err)
		}
	}
}

func TestViewOne_ErrorShowsLittleOfThePattern(t *testing.T) {
	v := filled(t, service(t), 3)
	for _, pattern := range []string{
		"/{0*,\x1b" + strings.Repeat("a", 3000) + "}", // matches several
		strings.Repeat("/", 3000),                     // the root, a directory
		"\x1b" + strings.Repeat("a", 3000),            // nothing
	} {
		_, err := v.One(t.Context(), pattern, "")
		if text := fault.Message(err) + fault.NextOf(err); err == nil || len(text) > 500 || strings.Contains(text, "\x1b") {
			t.Errorf("%.10q: %v", pattern, err)
		}
	}
}

func TestSessionAdd_ErrorShowsLittleOfThePath(t *testing.T) {
	w, err := service(t).Begin(t.Context(), by, master)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	err = w.Add("/"+strings.Repeat("a", 3000)+"/", "", nil)
	if !fault.Is(err, fault.Invalid) || len(fault.Message(err)) > 500 {
		t.Errorf("got %v", err)
	}
}
