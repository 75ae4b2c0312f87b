package test

import (
	"bufio"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-rod/rod"
	"github.com/go-rod/rod/lib/launcher"
	"github.com/go-rod/rod/lib/proto"

	"pachyderm/test/idp"
)

// patience is how long a browser may take for a step before the test fails;
// nothing waits for it to pass.
const patience = time.Minute

// chromium starts Debian's browser; the machine's root needs no sandbox.
func chromium(t *testing.T) *rod.Browser {
	t.Helper()
	const bin = "/usr/bin/chromium"
	if _, err := os.Stat(bin); err != nil {
		t.Fatalf("a browser is needed: %v (make test installs it)", err)
	}
	l := launcher.New().Bin(bin).Headless(true).NoSandbox(true).UserDataDir(t.TempDir()).
		Set("disable-gpu").Set("disable-quic").Set("disable-background-networking").Set("disable-component-update").Set("disable-sync")
	control, err := l.Launch()
	if err != nil {
		t.Fatal(err)
	}
	browser := rod.New().ControlURL(control)
	if err := browser.Connect(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = browser.Close()
		l.Cleanup()
	})
	return browser.Timeout(patience)
}

// terminal runs pachctl as one person on one machine does.
type terminal struct {
	t   *testing.T
	env []string
}

func newTerminal(t *testing.T, d *daemon) *terminal {
	t.Helper()
	return &terminal{t, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "PACHD_ADDRESS=" + d.grpc, "PACH_CONFIG=" + filepath.Join(t.TempDir(), "config.json")}}
}

func (m *terminal) command(args ...string) *exec.Cmd {
	c := exec.CommandContext(m.t.Context(), program(m.t, "pachctl"), args...)
	c.Env = m.env
	return c
}

func (m *terminal) run(stdin string, args ...string) string {
	m.t.Helper()
	c := m.command(args...)
	c.Stdin = strings.NewReader(stdin)
	out, err := c.CombinedOutput()
	if err != nil {
		m.t.Fatalf("pachctl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// login starts pachctl auth login and returns the address that it opens, and
// what to call for its end.
func (m *terminal) login(args ...string) (address string, end func() string) {
	m.t.Helper()
	l := m.begin(args...)
	return l.address, func() string {
		m.t.Helper()
		out, err := l.wait()
		if err != nil {
			m.t.Fatalf("pachctl auth login: %v\n%s", err, out)
		}
		return out
	}
}

// login is a pachctl auth login that waits for its person.
type login struct {
	address string
	cmd     *exec.Cmd
	out     *idp.Output
	done    chan error
}

// wait returns what pachctl wrote, and its failure, once it has ended.
func (l *login) wait() (string, error) {
	select {
	case err := <-l.done:
		return l.out.String(), err
	case <-time.After(patience):
		l.kill()
		return l.out.String(), fmt.Errorf("it still waits after %s", patience)
	}
}

// kill is for one whose person has given up.
func (l *login) kill() { _ = l.cmd.Process.Kill() }

// begin is login for one that may be refused.
func (m *terminal) begin(args ...string) *login {
	m.t.Helper()
	// The browser of this machine only passes on where it was sent.
	opened := filepath.Join(m.t.TempDir(), "opened")
	if err := syscall.Mkfifo(opened, 0o600); err != nil {
		m.t.Fatal(err)
	}
	script := filepath.Join(m.t.TempDir(), "browser")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho \"$1\" >"+opened+"\n"), 0o700); err != nil {
		m.t.Fatal(err)
	}
	c := m.command(append([]string{"auth", "login"}, args...)...)
	c.Env = append(c.Env, "BROWSER="+script)
	out := &idp.Output{}
	c.Stdout, c.Stderr = out, out
	if err := c.Start(); err != nil {
		m.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		err := c.Wait()
		// Wakes the reader below if no browser was ever opened.
		if f, openErr := os.OpenFile(opened, os.O_WRONLY|syscall.O_NONBLOCK, 0); openErr == nil {
			_ = f.Close()
		}
		done <- err
	}()
	f, err := os.Open(opened)
	if err != nil {
		m.t.Fatal(err)
	}
	line, err := bufio.NewReader(f).ReadString('\n')
	_ = f.Close()
	if err != nil {
		m.t.Fatalf("pachctl auth login opened no browser: %v\n%s", <-done, out)
	}
	return &login{strings.TrimSpace(line), c, out, done}
}

func (m *terminal) connectProvider(d *daemon, issuer, secret string) {
	m.t.Helper()
	file := filepath.Join(m.t.TempDir(), "connector.yaml")
	document := fmt.Sprintf(`type: oidc
id: idp
name: An identity provider
version: 1
config:
  issuer: %s
  clientID: pachyderm
  clientSecret: %s
  redirectURI: %s
  insecureEnableGroups: true
`, issuer, secret, d.callback())
	if err := os.WriteFile(file, []byte(document), 0o600); err != nil {
		m.t.Fatal(err)
	}
	m.run(d.rootToken(), "auth", "use-auth-token")
	m.run("", "idp", "create-connector", "--config", file)
}

// screenshot keeps a picture of the page where PACH_SCREENSHOTS says.
func screenshot(t *testing.T, page *rod.Page, name string) {
	t.Helper()
	dir := os.Getenv("PACH_SCREENSHOTS")
	if dir == "" {
		return
	}
	data, err := page.Screenshot(true, &proto.PageCaptureScreenshot{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func text(t *testing.T, page *rod.Page) string {
	t.Helper()
	body, err := page.Element("body")
	if err != nil {
		t.Fatal(err)
	}
	s, err := body.Text()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func fill(t *testing.T, page *rod.Page, values map[string]string) {
	t.Helper()
	for name, value := range values {
		e, err := page.Element(`[name="` + name + `"]`)
		if err != nil {
			t.Fatalf("no field %s on %s: %v", name, page.MustInfo().URL, err)
		}
		if err := e.SelectAllText(); err != nil {
			t.Fatal(err)
		}
		if err := e.Input(value); err != nil {
			t.Fatal(err)
		}
	}
}

func click(t *testing.T, page *rod.Page, selector string) {
	t.Helper()
	e, err := page.Element(selector)
	if err != nil {
		t.Fatalf("no %s on %s: %v", selector, page.MustInfo().URL, err)
	}
	loaded := page.WaitNavigation(proto.PageLifecycleEventNameLoad)
	if err := e.Click(proto.InputMouseButtonLeft, 1); err != nil {
		t.Fatal(err)
	}
	loaded()
}

func openPage(t *testing.T, browser *rod.Browser, address string) *rod.Page {
	t.Helper()
	page, err := browser.Page(proto.TargetCreateTarget{})
	if err != nil {
		t.Fatal(err)
	}
	loaded := page.WaitNavigation(proto.PageLifecycleEventNameLoad)
	if err := page.Navigate(address); err != nil {
		t.Fatal(err)
	}
	loaded()
	return page
}

func wantText(t *testing.T, page *rod.Page, want string) {
	t.Helper()
	if got := text(t, page); !strings.Contains(strings.ToLower(got), strings.ToLower(want)) {
		t.Fatalf("the page at %s does not say %q but:\n%s", page.MustInfo().URL, want, got)
	}
}

func TestSignIn_DemoProviderInBrowser(t *testing.T) {
	d := newDaemon(t)
	address := idp.FreeAddress(t)
	issuer := "http://" + address
	idp.Run(t, issuer+"/.well-known/openid-configuration",
		[]string{"DEMO_CLIENT_SECRET=a-demo-secret", "DEMO_ALICE_PASSWORD=wonderland", "DEMO_BOB_PASSWORD=builder"},
		program(t, "demo"), "-listen", address, "-redirect-uri", d.callback())
	d.start()
	newTerminal(t, d).connectProvider(d, issuer, "a-demo-secret")

	browser := chromium(t)
	alice := newTerminal(t, d)
	start, end := alice.login()
	page := openPage(t, browser, start)
	fill(t, page, map[string]string{"email": "alice@example.com", "password": "wrong"})
	click(t, page, `button:not([name])`)
	wantText(t, page, "wrong e-mail address or password")
	fill(t, page, map[string]string{"email": "alice@example.com", "password": "wonderland"})
	click(t, page, `button:not([name])`)
	screenshot(t, page, "loopback-signed-in")
	wantText(t, page, "signed in")
	if out := end(); !strings.Contains(out, `You are "user:alice@example.com"`) {
		t.Errorf("pachctl auth login says:\n%s", out)
	}
	if out := alice.run("", "auth", "whoami"); !strings.Contains(out, `You are "user:alice@example.com"`) || !strings.Contains(out, "session expires") {
		t.Errorf("pachctl auth whoami says:\n%s", out)
	}
}

func TestSignIn_PanvaProviderInBrowser(t *testing.T) {
	d := newDaemon(t)
	p := idp.StartPanva(t, d.callback())
	d.start()
	newTerminal(t, d).connectProvider(d, p.Issuer, p.ClientSecret)

	browser := chromium(t)
	jane := newTerminal(t, d)
	address, end := jane.login()
	if u, err := url.Parse(address); err != nil || u.Host != d.http {
		t.Fatalf("pachctl opens %q", address)
	}
	page := openPage(t, browser, address)
	fill(t, page, map[string]string{"login": "jane", "password": "anything"})
	click(t, page, `button[type="submit"]`)
	click(t, page, `button[type="submit"]`) // consent
	wantText(t, page, "signed in")
	if out := end(); !strings.Contains(out, `You are "user:jane@example.org"`) {
		t.Errorf("pachctl auth login says:\n%s", out)
	}
	if out := jane.run("", "auth", "get-groups"); !strings.Contains(out, "group:admins") || !strings.Contains(out, "group:developers") {
		t.Errorf("pachctl auth get-groups says:\n%s", out)
	}
}
