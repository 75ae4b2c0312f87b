package test

import (
	"context"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	authpb "pachyderm/api/auth"
	"pachyderm/test/idp"
)

// The set-ups of the page's "local or quick deployments": no public name, an
// address, a port-forward, a name that only the cluster knows.

// quick is pachd under another name than it listens at, and a second Dex.
func quick(t *testing.T, publicURL func(d *daemon) string, env ...string) *house {
	t.Helper()
	d := newDaemon(t, append(env, "PACHD_ISSUER_SIGNING_ALGORITHM=ES256")...)
	d.env = append(d.env, "PACHD_PUBLIC_URL="+publicURL(d))
	d.start()
	h := &house{d, t, newTerminal(t, d)}
	h.root.run(d.rootToken(), "auth", "use-auth-token")
	return h
}

func (h *house) file(name, text string) string {
	h.t.Helper()
	path := filepath.Join(h.t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
	return path
}

func dexDocument(provider *idp.Dex, callback string, more ...string) string {
	return strings.Join(append([]string{
		"type: oidc", "id: idp", "name: Dex", "config:", "  issuer: " + provider.Issuer, "  clientID: " + provider.ClientID,
		"  clientSecret: " + provider.ClientSecret, "  redirectURI: " + callback, "  insecureEnableGroups: true",
	}, more...), "\n")
}

func TestQuick_PortForward(t *testing.T) {
	// kubectl port-forward and the like: browsers come by a port of this machine
	// that pachd does not listen at.
	forward, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := quick(t, func(*daemon) string { return "http://" + forward.Addr().String() })
	go relay(forward, h.http)
	t.Cleanup(func() { _ = forward.Close() })
	callback := "http://" + forward.Addr().String() + "/callback"
	if got := strings.TrimSpace(h.root.run("", "idp", "callback")); got != callback {
		t.Errorf("idp callback prints %s, want %s", got, callback)
	}
	provider := idp.StartDex(t, callback)
	h.root.run("", "idp", "create-connector", "--config", h.file("c.yaml", dexDocument(provider, callback)))
	h.begin("idp", idp.NewClient(t)).succeeds(provider.People[0], nil)
}

func relay(from net.Listener, to string) {
	for {
		in, err := from.Accept()
		if err != nil {
			return
		}
		go pipe(in, to)
	}
}

// pipe carries one connection to another address.
func pipe(in net.Conn, to string) {
	defer func() { _ = in.Close() }()
	out, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", to)
	if err != nil {
		return
	}
	defer func() { _ = out.Close() }()
	go func() { _, _ = io.Copy(out, in); _ = out.(*net.TCPConn).CloseWrite() }()
	_, _ = io.Copy(in, out)
}

func TestQuick_CallbackOnOtherHost(t *testing.T) {
	// The page's Minikube: the issuer has one name, the callback the address.
	h := quick(t, func(d *daemon) string { return "http://" + strings.Replace(d.http, "127.0.0.1", "localhost", 1) })
	byAddress := "http://" + h.http + "/callback"
	provider := idp.StartDex(t, byAddress)
	out, err := h.create(dexDocument(provider, byAddress))
	if err == nil || !strings.Contains(out, byAddress) || !strings.Contains(out, "insecureSkipIssuerCallbackDomainCheck") {
		t.Errorf("without the switch: %v, %s", err, out)
	}
	if out, err := h.create(dexDocument(provider, byAddress, "  insecureSkipIssuerCallbackDomainCheck: true")); err != nil {
		t.Fatalf("with the switch: %v, %s", err, out)
	}
	h.begin("idp", idp.NewClient(t)).succeeds(provider.People[0], nil)
}

func TestQuick_NameOnlyTheClusterKnows(t *testing.T) {
	// Upstream's chart: the issuer is http://pachd:1658/, localhost_issuer says
	// that this is pachd itself, and user_accessible_issuer_host is where browsers
	// get in. Nothing resolves pachd.internal.
	h := quick(t, func(*daemon) string { return "http://pachd.internal:1658" }, "PACHD_INSECURE=true")
	outside := "http://" + h.http
	h.root.run("", "idp", "create-client", "--config", h.file("client.yaml", "id: pachd\nname: pachd\nredirect_uris: ["+outside+"/authorization-code/callback]\n"))
	document := "issuer: http://pachd.internal:1658/\nclient_id: pachd\nredirect_uri: " + outside + "/authorization-code/callback\nlocalhost_issuer: true\n"
	h.root.run("", "auth", "set-config", "--file", h.file("inside.yaml", document))
	if got := strings.TrimSpace(h.root.run("", "idp", "callback")); got != "http://pachd.internal:1658/callback" {
		t.Errorf("without the host, idp callback prints %s", got)
	}
	h.root.run("", "auth", "set-config", "--file", h.file("config.yaml", document+"user_accessible_issuer_host: "+h.http+"\n"))
	if got := strings.TrimSpace(h.root.run("", "idp", "callback")); got != outside+"/callback" {
		t.Errorf("idp callback prints %s", got)
	}
	provider := idp.StartDex(t, outside+"/callback")
	h.root.run("", "idp", "create-connector", "--config", h.file("c.yaml", dexDocument(provider, outside+"/callback")))

	// Ours, by the endpoints that GetSignIn names.
	h.begin("idp", idp.NewClient(t)).succeeds(provider.People[0], nil)
	// Upstream's, which waits for the person to say yes.
	conn := h.dial()
	start, err := authpb.NewAPIClient(conn).GetOIDCLogin(t.Context(), &authpb.GetOIDCLoginRequest{})
	if err != nil || !strings.HasPrefix(start.GetLoginUrl(), outside+"/auth?") {
		t.Fatalf("sent to %s, %v", start.GetLoginUrl(), err)
	}
	at, page, err := idp.SignIn(t, idp.NewClient(t), start.GetLoginUrl(), provider.People[0], func(u *url.URL) bool { return false })
	if err != nil || at.Host != h.http {
		t.Fatalf("ended at %s, %v: %s", at, err, page)
	}
	session, err := authpb.NewAPIClient(conn).Authenticate(t.Context(), &authpb.AuthenticateRequest{OidcState: start.GetState()})
	if err != nil {
		t.Fatal(err)
	}
	if who, err := whoAmI(t.Context(), conn, session.GetPachToken()); err != nil || who != "user:"+provider.People[0].Email {
		t.Errorf("WhoAmI: %s, %v", who, err)
	}
}
