package test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"pachyderm/demo/op"
	"pachyderm/demo/op/optest"
	"pachyderm/test/idp"
)

const (
	oauth2Proxy = "../.tools/oauth2-proxy-7.15.6"
	kubelogin   = "../.tools/kubelogin-1.28.0"
)

// application is a relying party that no one here wrote, set up as the guide says.
type application struct {
	t       *testing.T
	daemon  *daemon
	seat    *terminal
	at      string            // its address
	files   map[string]string // of the guide, as they are for this one
	browser *http.Client
}

// application registers one with the document of the guide.
func newApplication(t *testing.T, d *daemon, p *op.Provider, put ...string) *application {
	t.Helper()
	a := &application{t: t, daemon: d, seat: newTerminal(t, d), files: map[string]string{}, browser: idp.NewClient(t)}
	address := idp.FreeAddress(t)
	a.at = "http://" + address
	put = append(put, guidesPachd, "http://"+d.http, "https://dashboard.example.com", a.at)
	for _, b := range blocksOf(t, "applications.md") {
		a.files[b.name] = strings.NewReplacer(put...).Replace(b.text)
	}
	d.connect(p)
	a.seat.run(d.rootToken(), "auth", "use-auth-token")
	var made struct{ Secret string }
	out := a.seat.run("", "idp", "create-client", "--config", a.write("dashboard.yaml"), "-o", "json")
	if err := json.Unmarshal([]byte(out), &made); err != nil || made.Secret == "" {
		t.Fatalf("create-client: %v: %s", err, out)
	}
	a.browser.Transport = html{http.DefaultTransport}
	secrets := strings.NewReplacer("<the secret>", made.Secret, "<openssl rand -hex 16>", "0123456789abcdef0123456789abcdef",
		"<openssl rand -hex 32>", strings.Repeat("0123456789abcdef", 4))
	for name, text := range a.files {
		a.files[name] = secrets.Replace(text)
	}
	return a
}

// html asks for pages: Apache answers nobody else with a redirect.
type html struct{ http.RoundTripper }

func (h html) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Accept", "text/html")
	return h.RoundTripper.RoundTrip(r)
}

func (a *application) write(name string) string {
	a.t.Helper()
	path := filepath.Join(a.t.TempDir(), name)
	if err := os.WriteFile(path, []byte(a.files[name]), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

func (a *application) signIn() (text string) {
	a.t.Helper()
	alice := idp.Person{Name: optest.Alice.Email, Email: optest.Alice.Email, Password: optest.Alice.Password}
	_, text, err := idp.SignIn(a.t, a.browser, a.at+"/", alice, nil)
	if err != nil {
		a.t.Fatalf("%v: %s\n%s", err, text, a.daemon.output)
	}
	return text
}

// isIn reports whether the application still lets the browser through.
func (a *application) isIn() bool {
	a.t.Helper()
	once := *a.browser
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := once.Get(a.at + "/")
	if err != nil {
		a.t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// leaves waits until it does not any more.
func (a *application) leaves() {
	a.t.Helper()
	for begun := time.Now(); a.isIn(); time.Sleep(100 * time.Millisecond) {
		if time.Since(begun) > time.Minute {
			a.t.Fatalf("somebody who is disabled stays in\n%s", a.daemon.output)
		}
	}
}

func (a *application) disable() { a.seat.run("", "auth", "disable-user", "user:"+optest.Alice.Email) }

func TestApplication_OAuth2Proxy(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	d.start()
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("<html><body>This is for " + r.Header.Get("X-Forwarded-Email") + " of " + r.Header.Get("X-Forwarded-Groups") + "</body></html>"))
	}))
	t.Cleanup(behind.Close)
	a := newApplication(t, d, optest.Start(t, d.callback()), "http://127.0.0.1:3000", behind.URL, "backchannel_logout_uri", "# ")
	u, err := url.Parse(a.at)
	if err != nil {
		t.Fatal(err)
	}
	// Plain text on this machine, and a refresh that does not take five minutes.
	a.files["oauth2-proxy.cfg"] = strings.Replace(a.files["oauth2-proxy.cfg"], `"5m"`, `"1s"`, 1)
	idp.Run(t, a.at+"/ping", []string{"OAUTH2_PROXY_HTTP_ADDRESS=" + u.Host, "OAUTH2_PROXY_COOKIE_SECURE=false"},
		absolute(t, oauth2Proxy), "--config", a.write("oauth2-proxy.cfg"))
	if text := a.signIn(); !strings.Contains(text, "This is for "+optest.Alice.Email+" of admins,engineers") {
		t.Errorf("signed in, and the page says: %s", text)
	}
	time.Sleep(1100 * time.Millisecond) // so that the next request refreshes
	if !a.isIn() {
		t.Errorf("the refresh failed\n%s", d.output)
	}
	a.disable()
	a.leaves()
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err == nil {
		_, err = os.Stat(abs)
	}
	if err != nil {
		t.Fatalf("%v: install it with make deps", err)
	}
	return abs
}

func TestApplication_Apache(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	d.start()
	a := newApplication(t, d, optest.Start(t, d.callback()))
	u, err := url.Parse(a.at)
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.MkdirTemp("", "pach-apache-") //nolint:usetesting // whose folders are closed to Apache's workers
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "index.html"), []byte("<html><body>This is for members</body></html>"), 0o644); err != nil {
		t.Fatal(err)
	}
	modules := []string{"mpm_event", "authn_core", "authz_core", "authz_user", "auth_openidc", "dir", "mime"}
	var conf strings.Builder
	conf.WriteString("ServerName dashboard\nListen " + u.Host + "\nPidFile " + root + "/pid\nErrorLog " + root + "/log\nDocumentRoot " + root +
		"\nDirectoryIndex index.html\nTypesConfig /dev/null\nAddType text/html .html\n<Directory />\nAllowOverride None\n</Directory>\nUser nobody\nGroup nogroup\n")
	for _, m := range modules {
		conf.WriteString("LoadModule " + m + "_module /usr/lib/apache2/modules/mod_" + m + ".so\n")
	}
	conf.WriteString(a.files["dashboard.conf"] + "<Location /favicon.ico>\nAuthType None\nRequire all granted\n</Location>\n")
	if err := os.WriteFile(filepath.Join(root, "favicon.ico"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	a.files["apache.conf"] = conf.String()
	idp.Run(t, a.at+"/favicon.ico", nil, "/usr/sbin/apache2", "-X", "-f", a.write("apache.conf"))
	if text := a.signIn(); !strings.Contains(text, "This is for members") || !a.isIn() {
		log, _ := os.ReadFile(filepath.Join(root, "log"))
		t.Fatalf("signed in, and the page says: %s\n%s\n%s", text, log, d.output)
	}
	a.disable()
	a.leaves()
}

// kubectl runs kubelogin for a token, and takes what it prints.
func TestApplication_Kubelogin(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	d.start()
	address := idp.FreeAddress(t)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	a := newApplication(t, d, optest.Start(t, d.callback()), "http://localhost:8000", "http://localhost:"+port)
	a.seat.run("", "idp", "create-client", "--config", a.write("kubernetes.yaml"))
	var kubeconfig struct {
		Users []struct {
			User struct {
				Exec struct{ Args []string }
			}
		}
	}
	if err := yaml.Unmarshal([]byte(a.files["kubeconfig"]), &kubeconfig); err != nil || len(kubeconfig.Users) != 1 {
		t.Fatalf("the guide's kubeconfig: %v", err)
	}
	args := append(kubeconfig.Users[0].User.Exec.Args, "--listen-address="+address, "--skip-open-browser", "--token-cache-dir="+t.TempDir())
	if claims := a.kubeToken(args, true); claims.Email != optest.Alice.Email || !slices.Equal(claims.Groups, []string{"admins", "engineers"}) {
		t.Errorf("the token is of %+v", claims)
	}
	// By its refresh token it gets another without a browser, until she is disabled.
	if claims := a.kubeToken(append(args, "--force-refresh"), false); claims.Email != optest.Alice.Email {
		t.Errorf("renewed, the token is of %+v", claims)
	}
	a.disable()
	if claims := a.kubeToken(append(args, "--force-refresh", "--authentication-timeout-sec=1"), false); claims.Email != "" {
		t.Errorf("once she is disabled, there is a token of %+v", claims)
	}
}

type kubeClaims struct {
	Email  string
	Groups []string
}

// kubeToken are the claims of the ID token that kubelogin gives kubectl, or
// nothing if it has to ask for a person and none is there.
func (a *application) kubeToken(args []string, person bool) (c kubeClaims) {
	a.t.Helper()
	cmd := exec.CommandContext(a.t.Context(), absolute(a.t, kubelogin), args...)
	cmd.Env = []string{"HOME=" + a.t.TempDir()}
	var out bytes.Buffer
	cmd.Stdout = &out
	said, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		a.t.Fatal(err)
	}
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		if _, address, found := strings.Cut(lines.Text(), "in your browser: "); found && person {
			alice := idp.Person{Name: optest.Alice.Email, Email: optest.Alice.Email, Password: optest.Alice.Password}
			if _, text, err := idp.SignIn(a.t, a.browser, address, alice, nil); err != nil {
				a.t.Errorf("%v: %s\n%s", err, text, a.daemon.output)
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		return c
	}
	var credential struct{ Status struct{ Token string } }
	parts := []string{}
	if err = json.Unmarshal(out.Bytes(), &credential); err == nil {
		parts = strings.Split(credential.Status.Token, ".")
	}
	if len(parts) != 3 {
		a.t.Fatalf("kubelogin printed %s, %v", &out, err)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(payload, &c)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}
