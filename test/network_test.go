package test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	authpb "pachyderm/api/auth"
	"pachyderm/internal/db/dbtest"
)

// network is a namespace with a cable to the database and another to clients.
type network struct {
	t                 *testing.T
	name              string
	database, clients cable
}

// cable is a pair of virtual interfaces, with an address at either end.
type cable struct{ link, here, there string }

func newNetwork(t *testing.T) *network {
	t.Helper()
	id := os.Getpid() % 10000
	n := &network{t: t, name: fmt.Sprintf("pach%d", id)}
	n.ip("netns", "add", n.name)
	t.Cleanup(func() { n.ip("netns", "del", n.name) }) // and its ends of the cables
	for k, c := range map[int]*cable{0: &n.database, 1: &n.clients} {
		*c = cable{fmt.Sprintf("pach%d-%d", id, k), fmt.Sprintf("10.254.%d.%d", id%250, 8*k+1), fmt.Sprintf("10.254.%d.%d", id%250, 8*k+2)}
		n.ip("link", "add", c.link, "type", "veth", "peer", "name", "to-"+fmt.Sprint(k), "netns", n.name)
		n.ip("addr", "add", c.here+"/30", "dev", c.link)
		n.ip("link", "set", c.link, "up")
		n.ip("-n", n.name, "addr", "add", c.there+"/30", "dev", "to-"+fmt.Sprint(k))
		n.ip("-n", n.name, "link", "set", "to-"+fmt.Sprint(k), "up")
	}
	n.ip("-n", n.name, "link", "set", "lo", "up")
	return n
}

func (n *network) ip(args ...string) {
	n.t.Helper()
	if out, err := exec.CommandContext(context.Background(), "ip", args...).CombinedOutput(); err != nil {
		n.t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// A replica whose packets to the database get lost, with nobody to tell it, neither
// answers from memory nor hangs; it is well again as soon as the network is.
func TestNetwork_CutToTheDatabase(t *testing.T) {
	n := newNetwork(t)
	database, err := url.Parse(dbtest.PostgresURL(t))
	if err != nil {
		t.Fatal(err)
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", n.database.here+":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go relay(l, database.Host)
	key := t.TempDir() + "/sealing-key"
	common := []string{"PACHD_ISSUER_SIGNING_ALGORITHM=ES256", "PACHD_SEALING_KEY_FILE=" + key, "PACHD_AUTH_ROOT_TOKEN=the-root-token-of-this-test"}
	near := newDaemon(t, append(common, "PACHD_DATABASE_URL="+database.String())...)
	near.start()
	database.Host = l.Addr().String()
	far := newDaemon(t, append(common, "PACHD_DATABASE_URL="+database.String(), "PACHD_INSECURE=true")...)
	far.grpc, far.http = n.clients.there+":30650", n.clients.there+":30658"
	far.env = append(far.env, "PACHD_LISTEN_GRPC="+far.grpc, "PACHD_LISTEN_HTTP="+far.http)
	far.prefix = []string{"ip", "netns", "exec", n.name}
	far.start()

	const root = "the-root-token-of-this-test"
	token := func(d *daemon, robot string) string {
		t.Helper()
		res, err := authpb.NewAPIClient(d.dial()).GetRobotToken(as(t.Context(), root), &authpb.GetRobotTokenRequest{Robot: robot})
		if err != nil {
			t.Fatal(err)
		}
		return res.GetToken()
	}
	revoked, kept := token(near, "revoked"), token(far, "kept")
	conn := far.dial()
	await := func(raw, who string, code codes.Code) error {
		for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			got, err := whoAmI(t.Context(), conn, raw)
			if status.Code(err) == code && got == who || time.Since(begun) > time.Minute {
				return err
			}
		}
	}
	for raw, who := range map[string]string{revoked: "robot:revoked", kept: "robot:kept"} {
		if err := await(raw, who, codes.OK); err != nil {
			t.Fatal(err)
		}
	}

	n.ip("link", "set", n.database.link, "down")
	if _, err := authpb.NewAPIClient(near.dial()).RevokeAuthToken(as(t.Context(), root), &authpb.RevokeAuthTokenRequest{Token: revoked}); err != nil {
		t.Fatal(err)
	}
	if err := await(revoked, "", codes.Unavailable); status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "the database does not answer") {
		t.Errorf("without the network: %v", err)
	}
	for range 3 { // and it does not come back
		if who, err := whoAmI(t.Context(), conn, revoked); err == nil {
			t.Fatalf("a token that was revoked meanwhile is %s", who)
		}
	}
	n.ip("link", "set", n.database.link, "up")
	if err := await(kept, "robot:kept", codes.OK); err != nil {
		t.Errorf("with the network again: %v", err)
	}
	if err := await(revoked, "", codes.Unauthenticated); status.Code(err) != codes.Unauthenticated {
		t.Errorf("the revoked token, with the network again: %v", err)
	}
}
