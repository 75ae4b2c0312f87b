package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pachyderm/demo/op/optest"
)

// Secrets that are given to any command, rightly or wrongly, appear in nothing
// that the processes write: no output, no error, no log, at the most talkative
// level.
func TestSecrets_NeverWritten(t *testing.T) {
	const (
		rootToken    = "canary-root-Vq3Jm8Zt"
		clientSecret = "canary-client-Hs7Kd2Wp"
		wrongSecret  = "canary-wrong-Lx5Rb9Nc"
		appSecret    = "canary-app-Ty4Gf6Mv"
	)
	d := newDaemon(t, "PACHD_AUTH_ROOT_TOKEN="+rootToken, "PACHD_LOG_LEVEL=debug", "PACHD_ISSUER_SIGNING_ALGORITHM=ES256")
	provider := optest.Start(t, d.callback())
	provider.ClientSecret = clientSecret
	d.start()
	me := newTerminal(t, d)
	file := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	document := func(secret, more string) string {
		return file("connector.yaml", fmt.Sprintf("type: oidc\nid: idp\nname: IdP\nconfig:\n  issuer: %s\n  clientID: %s\n  clientSecret: %s\n  redirectURI: %s\n%s",
			provider.Issuer, provider.ClientID, secret, d.callback(), more))
	}
	app := file("client.yaml", "id: app\nname: App\nsecret: "+appSecret+"\nredirect_uris: [http://127.0.0.1:9/cb]\n")

	var written strings.Builder
	run := func(stdin string, args ...string) {
		c := me.command(args...)
		c.Stdin = strings.NewReader(stdin)
		out, err := c.CombinedOutput()
		fmt.Fprintf(&written, "$ pachctl %s\n%s%v\n", strings.Join(args[:min(2, len(args))], " "), out, err)
	}
	run(wrongSecret, "auth", "use-auth-token")
	run(wrongSecret+"\n", "auth", "login", "--id-token")
	run(rootToken, "auth", "use-auth-token")
	run("", "auth", "whoami", "-o", "json")
	run("", "idp", "create-connector", "--config", document(wrongSecret, "  unknownKey: "+wrongSecret+"\n"))
	run("", "idp", "create-connector", "--config", document(wrongSecret, "  insecureEnableGroups: "+wrongSecret+"\n"))
	run("", "idp", "create-connector", "--config", document(wrongSecret, " broken: ["+wrongSecret))
	run("", "idp", "create-connector", "--config", document(clientSecret, ""))
	run("", "idp", "create-connector", "--config", document(clientSecret, ""))
	for _, format := range []string{"yaml", "json"} {
		run("", "idp", "get-connector", "idp", "-o", format)
		run("", "idp", "list-connector", "-o", format)
	}
	run("", "idp", "update-connector", "--config", document(wrongSecret, ""))
	run("", "idp", "create-client", "--config", app) // shows it, this once
	shown := written.String()
	written.Reset()
	written.WriteString(strings.ReplaceAll(shown, appSecret, ""))
	run("", "idp", "create-client", "--config", app)
	run("", "idp", "get-client", "app", "-o", "json")
	run("", "idp", "list-client")
	run("", "idp", "update-client", "--config", app)
	run("", "auth", "revoke", "--token", wrongSecret)
	run("", "auth", "nosuch", wrongSecret)
	run("", "config", "get", "context", "default")
	if _, err := d.login(t.Context(), d.dial(), optest.Alice); err == nil {
		t.Error("a login with a wrong client secret has worked, so its failure was not looked at")
	}
	d.kill() // all that it wrote is read then
	everything := written.String() + d.output.String()
	for name, secret := range map[string]string{"root token": rootToken, "client secret": clientSecret, "wrong secret": wrongSecret, "app's secret": appSecret} {
		for line := range strings.Lines(everything) {
			if strings.Contains(line, secret) {
				t.Errorf("the %s was written: %s", name, line)
			}
		}
	}
	// The search must have something to look into.
	for _, want := range []string{"level=INFO", "clientSecret: '***'", "sign-in refused"} {
		if !strings.Contains(everything, want) {
			t.Errorf("nothing says %q in:\n%s", want, everything)
		}
	}
}
