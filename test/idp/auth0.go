package idp

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
)

// Auth0 is a simulator of that service. Its people type their e-mail address;
// the claim groups says their groups. It wants a nonce.
type Auth0 struct {
	*process

	Issuer                 string // https, with a slash at its end
	ClientID, ClientSecret string // the simulator looks at neither
	CA                     *CA
	People                 []Person
	// A browser must be given this file instead of what the sign-in page loads
	// from ScriptURL. SignIn does without.
	Script, ScriptURL string
}

// StartAuth0 runs the simulator; nil is for a new CA.
func StartAuth0(tb testing.TB, ca *CA) *Auth0 {
	tb.Helper()
	if ca == nil {
		ca = NewCA(tb)
	}
	modules := filepath.Join(testDir(tb), "node_modules")
	// It takes no port from 10000 on.
	port := freePort(tb, 5000, 10000)
	a := &Auth0{
		Issuer: fmt.Sprintf("https://localhost:%d/", port), ClientID: "pachyderm", ClientSecret: "auth0-secret", CA: ca, People: []Person{Alice, Bob},
		Script: filepath.Join(modules, "auth0-js", "dist", "auth0.js"), ScriptURL: "https://cdn.auth0.com/js/auth0/9.19.0/auth0.js",
	}
	node := nodeProgram(tb, "@simulacrum/auth0-simulator")
	need(tb, a.Script)
	// It looks for its certificate in its user's home.
	home := tb.TempDir()
	certificate := ca.Certificate(tb)
	link(tb, certificate.CertFile, filepath.Join(home, ".simulacrum", "certs", "localhost.pem"))
	link(tb, certificate.KeyFile, filepath.Join(home, ".simulacrum", "certs", "localhost-key.pem"))
	write(tb, filepath.Join(home, "rules", "groups.json"), `{"enabled": true, "order": 0, "stage": "login_success", "name": "groups"}`)
	groups := map[string][]string{}
	for _, p := range a.People {
		groups[p.Email] = p.Groups
	}
	write(tb, filepath.Join(home, "rules", "groups.js"),
		fmt.Sprintf(`function groups(user, context, callback) { context.idToken.groups = %s[user.email]; callback(null, user, context); }`, encode(tb, groups)))
	a.process = &process{
		tb: tb, dir: home, args: []string{node, filepath.Join(testDir(tb), "auth0.mjs"), fmt.Sprint(port)},
		env:   []string{"HOME=" + home, "CLIENT_ID=" + a.ClientID, "PEOPLE=" + encode(tb, a.People)},
		ready: answers(ca.Client(tb), a.Issuer+".well-known/openid-configuration"),
	}
	tb.Cleanup(a.Stop)
	a.Start()
	return a
}

func encode(tb testing.TB, v any) string {
	tb.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return string(data)
}
