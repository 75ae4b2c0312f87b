package kubesecret_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/config/kubesecret"
	"pachyderm/internal/fault"
)

// api answers as Kubernetes does of one Secret, for what the real one cannot be made
// to do; deploy/helm has the real one.
type api struct {
	mu      sync.Mutex
	version int
	object  map[string]any
	// before is called ahead of each request; it answers in its place if it returns true.
	before func(http.ResponseWriter, *http.Request) bool
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a.before != nil && a.before(w, r) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case r.Header.Get("Authorization") != "Bearer the-token":
		w.WriteHeader(http.StatusUnauthorized)
	case r.URL.Path != "/api/v1/namespaces/pach/secrets/keys" || a.object == nil:
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodPut:
		var got map[string]any
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		metadata, _ := got["metadata"].(map[string]any)
		if metadata["resourceVersion"] != strconv.Itoa(a.version) {
			w.WriteHeader(http.StatusConflict)
			return
		}
		a.put(got)
		fallthrough
	default:
		_ = json.NewEncoder(w).Encode(a.object)
	}
}

func (a *api) put(object map[string]any) {
	a.version++
	object["metadata"].(map[string]any)["resourceVersion"] = strconv.Itoa(a.version)
	a.object = object
}

func (a *api) data() map[string]any {
	a.mu.Lock()
	defer a.mu.Unlock()
	data, _ := a.object["data"].(map[string]any)
	return data
}

func start(t *testing.T) (*api, kubesecret.Pod) {
	t.Helper()
	a := &api{}
	a.put(map[string]any{"kind": "Secret", "apiVersion": "v1", "type": "Opaque", "metadata": map[string]any{"name": "keys", "labels": map[string]any{"a": "b"}}})
	server := httptest.NewTLSServer(a)
	t.Cleanup(server.Close)
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"token": "the-token\n", "namespace": "pach",
		"ca.crt": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return a, kubesecret.Pod{Host: address.Hostname(), Port: address.Port(), ServiceAccount: dir}
}

func TestFill_OnceAndNeverOver(t *testing.T) {
	a, pod := start(t)
	key := kubesecret.New(pod, "keys").Key("k")
	if _, err := key.Read(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty Secret: %v", err)
	}
	for _, value := range []string{"first", "second"} {
		if got, err := key.Fill(t.Context(), []byte(value)); err != nil || string(got) != "first" {
			t.Errorf("Fill(%s) = %q, %v", value, got, err)
		}
	}
	if got, err := key.Read(t.Context()); err != nil || string(got) != "first" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := kubesecret.New(pod, "keys").Key("other").Fill(t.Context(), []byte("x")); err != nil {
		t.Error(err)
	}
	want := map[string]any{
		"kind": "Secret", "apiVersion": "v1", "type": "Opaque",
		"metadata": map[string]any{"name": "keys", "labels": map[string]any{"a": "b"}, "resourceVersion": "3"},
		"data":     map[string]any{"k": "Zmlyc3Q=", "other": "eA=="},
	}
	if diff := cmp.Diff(want, a.object); diff != "" {
		t.Errorf("what else is in the Secret stays:\n%s", diff)
	}
}

func TestReplace_OnlyWhatWasRead(t *testing.T) {
	a, pod := start(t)
	key := kubesecret.New(pod, "keys").Key("k")
	if err := key.Replace(t.Context(), nil, []byte("new")); !fault.Is(err, fault.Precondition) || a.data() != nil {
		t.Errorf("there is none: %v", err)
	}
	if _, err := key.Fill(t.Context(), []byte("old")); err != nil {
		t.Fatal(err)
	}
	if err := key.Replace(t.Context(), []byte("old"), []byte("new")); err != nil {
		t.Error(err)
	}
	if err := key.Replace(t.Context(), []byte("old"), []byte("newer")); !fault.Is(err, fault.Precondition) ||
		!strings.Contains(fault.Message(err), "was changed by somebody else") {
		t.Errorf("another value: %v", err)
	}
	if got, err := key.Read(t.Context()); err != nil || string(got) != "new" {
		t.Errorf("%q, %v", got, err)
	}
}

// An empty value is one that somebody has put there.
func TestFill_EmptyValueStays(t *testing.T) {
	a, pod := start(t)
	a.object["data"] = map[string]any{"k": ""}
	if got, err := kubesecret.New(pod, "keys").Key("k").Fill(t.Context(), []byte("mine")); err != nil || len(got) != 0 {
		t.Errorf("%q, %v", got, err)
	}
}

func TestFill_AllWritersGetTheFirstsValue(t *testing.T) {
	a, pod := start(t)
	const writers = 8
	// All have read the empty Secret before the first of them writes.
	var read sync.WaitGroup
	read.Add(writers)
	a.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			read.Wait()
		}
		return false
	}
	got := make([]string, writers)
	var all sync.WaitGroup
	for n := range writers {
		all.Go(func() {
			key := kubesecret.New(pod, "keys").Key("k")
			if _, err := key.Read(t.Context()); !errors.Is(err, fs.ErrNotExist) {
				t.Error(err)
			}
			read.Done()
			value, err := key.Fill(t.Context(), fmt.Append(nil, "value-", n))
			if err != nil {
				t.Error(err)
			}
			got[n] = string(value)
		})
	}
	all.Wait()
	for _, value := range got {
		if value == "" || value != got[0] {
			t.Errorf("writers hold different values: %q", got)
		}
	}
	if kept, err := kubesecret.New(pod, "keys").Key("k").Read(t.Context()); err != nil || string(kept) != got[0] || a.version != 2 {
		t.Errorf("%q, %v, version %d", kept, err, a.version)
	}
}

func anotherCA(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
}

func TestSecret_RefusesInWords(t *testing.T) {
	status := func(code int) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(code)
			_, _ = io.WriteString(w, `{"kind":"Status","message":"hunter2"}`)
			return true
		}
	}
	text := func(answer string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			_, _ = io.WriteString(w, answer)
			return true
		}
	}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the token went to another server: %q", r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	for name, test := range map[string]struct {
		before func(http.ResponseWriter, *http.Request) bool
		change func(t *testing.T, pod *kubesecret.Pod)
		want   string
		kind   fault.Kind
	}{
		"a token that has expired": {before: status(401), want: "does not take the token of pachd's service account", kind: fault.Precondition},
		"no Role":                  {before: status(403), want: "no Role allows pachd's service account to get the Secret keys: apply the chart's Role", kind: fault.Precondition},
		"no Secret":                {before: status(404), want: "there is no Secret keys in pachd's namespace: restore it", kind: fault.Precondition},
		"an overloaded API":        {before: status(429), want: "with status 429", kind: fault.Unavailable},
		"another server":           {before: text("<html>hunter2"), want: "does not answer with a Secret", kind: fault.Precondition},
		"another object":           {before: text(`{"kind":"ConfigMap","metadata":{"resourceVersion":"1"},"data":{"k":"hunter2"}}`), want: "does not answer with a Secret", kind: fault.Precondition},
		"no version":               {before: text(`{"kind":"Secret","metadata":{}}`), want: "does not answer with a Secret", kind: fault.Precondition},
		"too much":                 {before: text(`{"kind":"Secret","metadata":{"resourceVersion":"1"},"x":"` + strings.Repeat("x", 3<<20) + `"}`), want: "does not answer with a Secret", kind: fault.Precondition},
		"another address": {before: func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
			return true
		}, want: "with status 307", kind: fault.Unavailable},
		"an API that cuts off": {before: func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }, want: "does not answer: pachd starts from the Secret keys", kind: fault.Unavailable},
		"nobody there":         {change: func(_ *testing.T, pod *kubesecret.Pod) { pod.Port = "1" }, want: "does not answer", kind: fault.Unavailable},
		"no pod":               {change: func(_ *testing.T, pod *kubesecret.Pod) { pod.Host = "" }, want: "unset kubernetes.keysSecret", kind: fault.Precondition},
		"no token": {change: func(t *testing.T, pod *kubesecret.Pod) {
			if err := os.Remove(filepath.Join(pod.ServiceAccount, "token")); err != nil {
				t.Fatal(err)
			}
		}, want: "set automountServiceAccountToken: true", kind: fault.Precondition},
		"no CA": {change: func(t *testing.T, pod *kubesecret.Pod) {
			if err := os.WriteFile(filepath.Join(pod.ServiceAccount, "ca.crt"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, want: "has no certificate", kind: fault.Precondition},
		"another CA": {change: func(t *testing.T, pod *kubesecret.Pod) {
			if err := os.WriteFile(filepath.Join(pod.ServiceAccount, "ca.crt"), anotherCA(t), 0o600); err != nil {
				t.Fatal(err)
			}
		}, want: "does not answer", kind: fault.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			a, pod := start(t)
			a.before = test.before
			if test.change != nil {
				test.change(t, &pod)
			}
			key := kubesecret.New(pod, "keys").Key("k")
			_, errRead := key.Read(t.Context())
			_, errFill := key.Fill(t.Context(), []byte("hunter2"))
			for _, err := range []error{errRead, errFill} {
				if !fault.Is(err, test.kind) || !strings.Contains(fault.Message(err), test.want) || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("got %v, want %q", err, test.want)
				}
			}
			if a.data() != nil {
				t.Errorf("it was written: %v", a.data())
			}
		})
	}
}

func TestFill_RefusedWrites(t *testing.T) {
	for code, want := range map[int]string{
		403: "no Role allows pachd's service account to update the Secret keys",
		409: "is changed by others all the time",
		422: "the Secret keys cannot be changed: see whether it is immutable",
	} {
		a, pod := start(t)
		a.before = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPut {
				return false
			}
			body, _ := io.ReadAll(r.Body)
			w.WriteHeader(code)
			_, _ = w.Write(body)
			return true
		}
		_, err := kubesecret.New(pod, "keys").Key("k").Fill(t.Context(), []byte("hunter2"))
		if err == nil || !strings.Contains(fault.Message(err), want) || strings.Contains(err.Error(), "aHVudGVyMg") {
			t.Errorf("%d: %v", code, err)
		}
	}
}
