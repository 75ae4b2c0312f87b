package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"pachyderm/demo/op"
	"pachyderm/demo/op/optest"
	"pachyderm/internal/cli"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/pachd/pachdtest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"pachctl": watched,
		"browser": openBrowser,
		"device":  device,
	})
}

// watched is pachctl, with a copy of all that it writes for the script's end.
func watched() {
	name := os.Getenv("WRITTEN")
	if name == "" {
		main()
		return
	}
	copied, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(run(io.MultiWriter(os.Stdout, copied), io.MultiWriter(os.Stderr, copied)))
}

// checkSecrets looks, when a script has ended, for what it gave to pachctl and
// pachd in confidence.
func checkSecrets(t testing.TB, pachd *pachdtest.Server, written string) {
	data, err := os.ReadFile(written)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	for where, text := range map[string]string{"pachctl wrote": string(data), "pachd logged": pachd.Log.String()} {
		for name, secret := range map[string]string{"root token": pachd.RootToken, "client secret": clientSecret, "password": optest.Alice.Password} {
			if strings.Contains(text, secret) {
				t.Errorf("%s the %s:\n%s", where, name, text)
			}
		}
	}
}

const clientSecret = "demo-secret-value"

// TestScripts runs the real pachctl against a real pachd and a real OpenID
// provider, one of each for every script. $PERSON is who sits at the browser.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    exits,
			"expand":   expand,
			"page":     page,
			"hints":    hints,
			"identity": identity,
			"ahead":    ahead,
			"member":   member,
			"saved":    saved,
			"stopidp":  stopIDP,
		},
	})
}

// world is what a script plays in.
type world struct {
	t        testing.TB
	provider *op.Provider
	pachd    *pachdtest.Server
	server   *httptest.Server // the provider's
	pages    chan string
}

const worldKey = "world"

func setup(env *testscript.Env) error {
	t := env.T().(testing.TB)
	pachd := pachdtest.Start(t)
	w := &world{t: t, pachd: pachd, server: httptest.NewUnstartedServer(nil), pages: make(chan string, 10)}
	var err error
	w.provider, err = op.New(op.Config{
		Issuer: "http://" + w.server.Listener.Addr().String(), ClientID: "pachyderm", ClientSecret: clientSecret,
		RedirectURIs: []string{pachd.HTTP + "/callback"}, People: []op.Person{optest.Alice},
	})
	if err != nil {
		return err
	}
	w.server.Config.Handler = w.provider
	w.server.Start()
	t.Cleanup(w.server.Close)
	desk := httptest.NewServer(&desk{w})
	t.Cleanup(desk.Close)
	env.Values[worldKey] = w
	written := filepath.Join(t.TempDir(), "written")
	t.Cleanup(func() { checkSecrets(t, pachd, written) })
	for name, value := range map[string]string{
		"PACHD_ADDRESS": pachd.GRPC, "PACHD_HTTP": pachd.HTTP, "ROOT_TOKEN": pachd.RootToken,
		"PACH_CONFIG": filepath.Join(env.WorkDir, "config.json"), "USER": "tester",
		"IDP": w.provider.Issuer, "IDP_SECRET": w.provider.ClientSecret,
		"WRITTEN": written, "BROWSER": "browser", "DESK": desk.URL, "PERSON": "alice",
		"GORACE": "atexit_sleep_ms=0", // or each command takes a second more
	} {
		env.Setenv(name, value)
	}
	files, err := filepath.Glob(filepath.Join(env.WorkDir, "*"))
	if err != nil {
		return err
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.IsDir() {
			continue
		}
		if err := fill(f, env.Getenv); err != nil {
			return err
		}
	}
	return nil
}

var hole = regexp.MustCompile(`\$\{[A-Z_]+\}`)

// fill puts variables into a file of the script; testscript leaves files alone.
func fill(file string, getenv func(string) string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	data = hole.ReplaceAllFunc(data, func(b []byte) []byte {
		if value := getenv(string(b[2 : len(b)-1])); value != "" {
			return []byte(value)
		}
		return b // to be set by the script, and expanded there
	})
	return os.WriteFile(file, data, 0o600)
}

// desk is where the person sits: an address that is put there is opened, and
// walked through as that person would.
type desk struct{ *world }

func (d *desk) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	b := optest.NewBrowser(d.t, nil)
	at := b.Get(r.FormValue("url"))
	if code := r.FormValue("code"); code != "" {
		if at = b.Submit(at, map[string]string{"user_code": code}); r.FormValue("person") == "nobody" {
			d.pages <- b.Submit(at, map[string]string{"answer": "no"}).Text()
			return
		}
		d.pages <- at.Text()
		at = b.Submit(at, map[string]string{"answer": "yes"})
	}
	alice := map[string]string{"email": optest.Alice.Email, "password": optest.Alice.Password}
	switch r.FormValue("person") {
	case "alice":
		at = b.Submit(at, alice)
	case "asked": // whether it is they who wait
		question := b.Submit(at, alice)
		d.pages <- question.Text()
		at = b.Submit(question, map[string]string{"answer": "yes"})
	case "forgetful":
		d.pages <- b.Submit(at, map[string]string{"email": optest.Alice.Email, "password": "wrong"}).Text()
		at = b.Submit(at, alice)
	case "canceller":
		at = b.Submit(at, map[string]string{"cancel": "1"})
	case "onlooker": // only looks at what comes up
	default:
		d.t.Errorf("nobody is called %q", r.FormValue("person"))
	}
	d.pages <- at.Text()
}

// visit lets the person at the desk open an address, and returns once they are
// done.
func visit(address, code string) error {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, os.Getenv("DESK"),
		strings.NewReader(url.Values{"url": {address}, "code": {code}, "person": {os.Getenv("PERSON")}}.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// openBrowser is the command in $BROWSER.
func openBrowser() {
	if err := visit(os.Args[1], ""); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// device is pachctl where a person reads the screen: when there is an address
// and a code, they go and open it.
func device() {
	k := &kit.Kit{Stdin: os.Stdin, Stdout: &screen{}, Stderr: os.Stderr, Getenv: os.Getenv, Now: time.Now}
	os.Exit(cli.Main(context.Background(), os.Args[1:], k))
}

type screen struct{ seen bytes.Buffer }

var instructions = regexp.MustCompile(`(?s)(http\S+)\n\nCode: (\S+)\n`)

func (s *screen) Write(b []byte) (int, error) {
	s.seen.Write(b)
	if m := instructions.FindSubmatch(s.seen.Bytes()); m != nil {
		s.seen.Reset()
		if err := visit(string(m[1]), string(m[2])); err != nil {
			return 0, err
		}
	}
	return os.Stdout.Write(b)
}

// exits CODE COMMAND... is exec with a certain exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
	// Whatever goes wrong is said in one voice.
	if said := ts.ReadFile("stderr"); got != 0 && (!strings.Contains(said, "pachctl: ") || strings.Contains(said, "rpc error")) {
		ts.Fatalf("this is not how pachctl speaks: %s", said)
	}
}

// expand FILE... puts variables that the script has set into files.
func expand(ts *testscript.TestScript, _ bool, args []string) {
	for _, f := range args {
		ts.Check(fill(ts.MkAbs(f), ts.Getenv))
	}
}

// page REGEXP is about the next page that the person saw.
func page(ts *testscript.TestScript, neg bool, args []string) {
	select {
	case text := <-ts.Value(worldKey).(*world).pages:
		if regexp.MustCompile(args[0]).MatchString(text) == neg {
			ts.Fatalf("the page says: %s", text)
		}
	case <-time.After(20 * time.Second):
		ts.Fatalf("no page was seen")
	}
}

// hints HINT... is what the provider got as login_hint so far.
func hints(ts *testscript.TestScript, _ bool, want []string) {
	if got := ts.Value(worldKey).(*world).provider.Hints(); !slices.Equal(got, want) {
		ts.Fatalf("the provider got %q, want %q", got, want)
	}
}

// stopidp ends the provider.
func stopIDP(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Value(worldKey).(*world).server.Close()
}

// saved VARIABLE keeps the session token of the configuration in a variable.
func saved(ts *testscript.TestScript, _ bool, args []string) {
	m := regexp.MustCompile(`"session_token": "([^"]*)"`).FindStringSubmatch(ts.ReadFile(ts.Getenv("PACH_CONFIG")))
	if m == nil {
		m = []string{"", ""}
	}
	ts.Setenv(args[0], m[1])
}

// identity VARIABLE keeps the identity that the last command showed.
func identity(ts *testscript.TestScript, _ bool, args []string) {
	m := regexp.MustCompile(`"identities": \[\s*\{\s*"id": "([^"]+)"`).FindStringSubmatch(ts.ReadFile("stdout"))
	if m == nil {
		ts.Fatalf("no identity was shown")
	}
	ts.Setenv(args[0], m[1])
}

// member starts another pachd, which is to use the first one's identities.
func member(ts *testscript.TestScript, _ bool, _ []string) {
	pachd := pachdtest.Start(ts.Value(worldKey).(*world).t)
	for name, value := range map[string]string{"MEMBER": pachd.GRPC, "MEMBER_HTTP": pachd.HTTP, "MEMBER_TOKEN": pachd.RootToken} {
		ts.Setenv(name, value)
	}
}

// ahead DURATION puts pachd's clock ahead.
func ahead(ts *testscript.TestScript, _ bool, args []string) {
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	ts.Value(worldKey).(*world).pachd.Ahead(d)
}
