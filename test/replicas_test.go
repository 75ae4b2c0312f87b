package test

import (
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	authpb "pachyderm/api/auth"
	pachpb "pachyderm/api/pach"
	"pachyderm/demo/op/optest"
	"pachyderm/internal/db/dbtest"
	"pachyderm/test/walk"
)

// replicas are pachds on one database behind one address, of which each connection
// gets another.
func replicas(tb testing.TB, count int) (*service, string) {
	tb.Helper()
	const root = "the-root-token-of-this-test"
	database, key := dbtest.PostgresURL(tb), tb.TempDir()+"/sealing-key"
	s := &service{ready: make([]atomic.Bool, count)}
	for range count {
		s.replicas = append(s.replicas, newDaemon(tb, "PACHD_ISSUER_SIGNING_ALGORITHM=ES256", "PACHD_DATABASE_URL="+database, "PACHD_SHUTDOWN_DELAY=500ms",
			"PACHD_SEALING_KEY_FILE="+key, "PACHD_AUTH_ROOT_TOKEN="+root))
	}
	pages := s.listen(tb, func(d *daemon) string { return d.http })
	for n, d := range s.replicas {
		d.env, d.root = append(d.env, "PACHD_PUBLIC_URL=http://"+pages), root
		d.start()
		s.ready[n].Store(true)
	}
	return s, pages
}

// BenchmarkReplicas measures three replicas on one database: a login of which each
// request arrives at another of them, and how long it takes until a revocation, a
// role and a disabled person hold at the others.
func BenchmarkReplicas(b *testing.B) {
	s, pages := replicas(b, 3)
	provider := optest.Start(b, "http://"+pages+"/callback")
	first := *s.replicas[0]
	first.http = pages
	first.connect(provider)
	conns := []authpb.APIClient{}
	for _, d := range s.replicas {
		conn := d.dial()
		conns = append(conns, authpb.NewAPIClient(conn))
		for connected := false; !connected; { // until it has heard of the connector
			signIn, err := pachpb.NewAPIClient(conn).GetSignIn(b.Context(), &pachpb.GetSignInRequest{})
			if err != nil {
				b.Fatal(err)
			}
			connected = signIn.GetConnected()
		}
	}
	root := as(b.Context(), first.root)
	l, err := walk.NewLogin(b.Context(), pachpb.NewAPIClient(s.replicas[0].dial()), conns[1],
		walk.Person{Name: optest.Alice.Email, Email: optest.Alice.Email, Password: optest.Alice.Password})
	if err != nil {
		b.Fatal(err)
	}
	l.Transport = &http.Transport{DisableKeepAlives: true} // each request is a connection
	took := map[string][]time.Duration{}
	measure := func(what string, f func()) {
		begun := time.Now()
		f()
		took[what] = append(took[what], time.Since(begun))
	}
	// until waits for what a change at the first replica is to do at the others.
	until := func(holds func(c authpb.APIClient) bool) {
		for _, c := range conns[1:] {
			for !holds(c) {
			}
		}
	}
	code := func(c authpb.APIClient, token string) codes.Code {
		_, err := c.WhoAmI(as(b.Context(), token), &authpb.WhoAmIRequest{})
		return status.Code(err)
	}
	cluster := &authpb.Resource{Type: authpb.ResourceType_CLUSTER}
	may := func(c authpb.APIClient, token string) bool {
		res, err := c.Authorize(as(b.Context(), token), &authpb.AuthorizeRequest{
			Resource: cluster, Permissions: []authpb.Permission{authpb.Permission_CLUSTER_MODIFY_BINDINGS},
		})
		return err == nil && res.GetAuthorized()
	}
	must := func(_ any, err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	bind := func(roles ...string) {
		must(conns[0].ModifyRoleBinding(root, &authpb.ModifyRoleBindingRequest{Resource: cluster, Principal: "user:" + optest.Alice.Email, Roles: roles}))
	}
	enable := func(enabled bool) {
		must(pachpb.NewAPIClient(s.replicas[0].dial()).SetUserEnabled(root, &pachpb.SetUserEnabledRequest{User: "user:" + optest.Alice.Email, Enabled: enabled}))
	}
	for range max(b.N, 100) {
		var token string
		measure("login", func() {
			if token, err = l.Run(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
		until(func(c authpb.APIClient) bool { return code(c, token) == codes.OK && !may(c, token) })
		measure("role", func() { bind("clusterAdmin"); until(func(c authpb.APIClient) bool { return may(c, token) }) })
		measure("role-taken", func() { bind(); until(func(c authpb.APIClient) bool { return !may(c, token) }) })
		measure("revoked", func() {
			must(conns[0].RevokeAuthToken(root, &authpb.RevokeAuthTokenRequest{Token: token}))
			until(func(c authpb.APIClient) bool { return code(c, token) == codes.Unauthenticated })
		})
		if token, err = l.Run(b.Context()); err != nil {
			b.Fatal(err)
		}
		until(func(c authpb.APIClient) bool { return code(c, token) == codes.OK })
		measure("disabled", func() {
			enable(false)
			until(func(c authpb.APIClient) bool { return code(c, token) != codes.OK })
		})
		enable(true)
	}
	for what, all := range took {
		slices.Sort(all)
		b.ReportMetric(all[len(all)/2].Seconds()*1000, "p50-ms-"+what)
		b.ReportMetric(all[len(all)*99/100].Seconds()*1000, "p99-ms-"+what)
	}
	b.ReportMetric(0, "ns/op")
}
