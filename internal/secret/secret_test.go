package secret_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
)

func TestSealer_OpensOnlyInItsPlace(t *testing.T) {
	s, err := secret.OpenFor(t.Context(), dbtest.SQLite(t), secret.File(filepath.Join(t.TempDir(), "key")))
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := s.Seal([]byte("hunter2"), "connector/a")
	if err != nil || bytes.Contains(sealed, []byte("hunter2")) {
		t.Fatalf("Seal = %q, %v", sealed, err)
	}
	if got, err := s.Open(sealed, "connector/a"); err != nil || string(got) != "hunter2" {
		t.Errorf("Open = %q, %v", got, err)
	}
	if _, err := s.Open(sealed, "connector/b"); err == nil {
		t.Error("opened in another place")
	}
}

func TestSealer_Streams(t *testing.T) {
	var sealers []*secret.Sealer
	for range 2 {
		s, err := secret.OpenFor(t.Context(), dbtest.SQLite(t), secret.File(filepath.Join(t.TempDir(), "key")))
		if err != nil {
			t.Fatal(err)
		}
		sealers = append(sealers, s)
	}
	plain := bytes.Repeat([]byte("hunter2 "), 300_000) // several segments
	var sealed bytes.Buffer
	w, err := sealers[0].SealTo(&sealed, "place/a")
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write(plain)
	if err := errors.Join(err, w.Close()); err != nil || bytes.Contains(sealed.Bytes(), []byte("hunter2")) {
		t.Fatalf("sealed: %v", err)
	}
	r, err := sealers[0].OpenFrom(bytes.NewReader(sealed.Bytes()), "place/a")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	for name, open := range map[string]func() (io.Reader, error){
		"another place": func() (io.Reader, error) { return sealers[0].OpenFrom(bytes.NewReader(sealed.Bytes()), "place/b") },
		"another key":   func() (io.Reader, error) { return sealers[1].OpenFrom(bytes.NewReader(sealed.Bytes()), "place/a") },
	} {
		if _, err := open(); !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Message(err), "not sealed with this sealing key") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSealer_DatabaseOfNobody(t *testing.T) {
	d := dbtest.SQLite(t)
	key := filepath.Join(t.TempDir(), "key")
	if _, err := secret.OpenUsed(t.Context(), d, secret.File(key)); !fault.Is(err, fault.Precondition) || !strings.Contains(fault.Message(err), "no pachd has started") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(key); err == nil {
		t.Error("a key was made")
	}
	if _, err := secret.OpenFor(t.Context(), d, secret.File(key)); err != nil {
		t.Fatal(err)
	}
	if _, err := secret.OpenUsed(t.Context(), d, secret.File(key)); err != nil {
		t.Error(err)
	}
}

func TestSealer_KeyFile(t *testing.T) {
	ctx := t.Context()
	d := dbtest.SQLite(t)
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if _, err := secret.OpenFor(ctx, d, secret.File(key)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v", info.Mode(), err)
	}
	if _, err := secret.OpenFor(ctx, d, secret.File(key)); err != nil {
		t.Errorf("second start: %v", err)
	}

	other := filepath.Join(dir, "other")
	if _, err := secret.OpenFor(ctx, dbtest.SQLite(t), secret.File(other)); err != nil {
		t.Fatal(err)
	}
	garbage := filepath.Join(dir, "garbage")
	if err := os.WriteFile(garbage, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(dir, "open")
	if err := os.WriteFile(open, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		other:                        "not the one",
		garbage:                      "is not a sealing key",
		open:                         "chmod 600",
		filepath.Join(dir, "nosuch"): "is missing",
	} {
		_, err := secret.OpenFor(ctx, d, secret.File(file))
		if !fault.Is(err, fault.Precondition) || !strings.Contains(fault.Message(err), want) {
			t.Errorf("OpenFor(%s) = %v, want %q", filepath.Base(file), err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "nosuch")); err == nil {
		t.Error("a new key was made for a database that has one")
	}
}

func TestText_NeverShown(t *testing.T) {
	v := struct{ Secret secret.Text }{"hunter2"}
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v, "s", v.Secret)
	js, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(js)
	fmt.Fprintf(&out, "%v %+v %#v %s %q %x", v, v, v, v.Secret, v.Secret, v.Secret)
	if strings.Contains(out.String(), "hunter2") || strings.Contains(out.String(), fmt.Sprintf("%x", "hunter2")) {
		t.Errorf("shown: %s", out.String())
	}
	if v.Secret.Reveal() != "hunter2" {
		t.Error("the secret is lost")
	}
}

func TestSame_EmptyNeverMatches(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{{"", "", false}, {"a", "", false}, {"", "a", false}, {"a", "b", false}, {"a", "a", true}, {"a", "aa", false}} {
		if got := secret.Same(c.a, c.b); got != c.want {
			t.Errorf("Same(%q, %q) = %v", c.a, c.b, got)
		}
	}
}

// An operator who shares a key among replicas makes it with the tools at hand; a
// Secret of Kubernetes is mounted for the pod's group.
func TestSealer_KeyOfAnOperator(t *testing.T) {
	d := dbtest.SQLite(t)
	key := filepath.Join(t.TempDir(), "key")
	text := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)) + "\n"
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
		want string
	}{
		"of the group":     {text, 0o440, ""},
		"the group writes": {text, 0o460, "chmod 600"},
		"others read":      {text, 0o444, "chmod 600"},
		"too short":        {text[:20] + "\n", 0o400, "openssl rand -base64 32"},
	} {
		if err := os.WriteFile(key, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(key, c.mode); err != nil {
			t.Fatal(err)
		}
		s, err := secret.OpenFor(t.Context(), d, secret.File(key))
		if c.want != "" {
			if !fault.Is(err, fault.Precondition) || !strings.Contains(fault.Message(err), c.want) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		sealed, err := s.Seal([]byte("hunter2"), "a")
		if err != nil || bytes.Contains(sealed, []byte("hunter2")) {
			t.Errorf("%s: %q, %v", name, sealed, err)
		}
	}
}

// Of several that make a key at once all have that of the first, and one that was
// changed meanwhile is not written over: values may be sealed with it.
func TestFile_OneWriterAfterAnother(t *testing.T) {
	f := secret.File(filepath.Join(t.TempDir(), "sealing-key"))
	kept := make([]string, 8)
	var all sync.WaitGroup
	for n := range kept {
		all.Go(func() {
			data, err := f.Fill(t.Context(), []byte{'a' + byte(n)})
			if err != nil {
				t.Error(err)
			}
			kept[n] = string(data)
		})
	}
	all.Wait()
	now, err := f.Read(t.Context())
	if err != nil || len(slices.Compact(kept)) != 1 || kept[0] != string(now) {
		t.Errorf("the file has %q, %v, and its makers %q", now, err, kept)
	}
	if err := f.Replace(t.Context(), []byte("as it was before"), []byte("stale")); !fault.Is(err, fault.Precondition) {
		t.Errorf("one that was changed meanwhile: %v", err)
	}
	if err := f.Replace(t.Context(), now, []byte("next")); err != nil {
		t.Error(err)
	}
	if now, err := f.Read(t.Context()); err != nil || string(now) != "next" {
		t.Errorf("%q, %v", now, err)
	}
}

// One that was interrupted between the copy and the key goes on where it was.
func TestRemoveOldKeys_Interrupted(t *testing.T) {
	dir := t.TempDir()
	f, old := secret.File(filepath.Join(dir, "sealing-key")), secret.File(filepath.Join(dir, "sealing-key.old"))
	if _, err := secret.OpenFor(t.Context(), dbtest.SQLite(t), f); err != nil {
		t.Fatal(err)
	}
	for _, step := range []func(context.Context, secret.Place) error{secret.AddKey, secret.UseNewKey} {
		if err := step(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	both, err := f.Read(t.Context())
	if err == nil {
		_, err = old.Fill(t.Context(), both)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := secret.RemoveOldKeys(t.Context(), f, old); err != nil {
		t.Error(err)
	}
	if now, err := f.Read(t.Context()); err != nil || bytes.Equal(now, both) {
		t.Errorf("the old key is still there, %v", err)
	}
}
