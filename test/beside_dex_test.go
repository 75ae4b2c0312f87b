package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/structpb"

	authpb "pachyderm/api/auth"
	identitypb "pachyderm/api/identity"
	pachpb "pachyderm/api/pach"
	"pachyderm/internal/db/dbtest"
	"pachyderm/test/idp"
	"pachyderm/test/walk"
)

// contender is a server whose logins are measured.
type contender struct {
	name    string
	daemon  *daemon // nil for Dex
	pid     int
	logins  []func(context.Context) error // of one person each
	counter *dbtest.Counter               // before its PostgreSQL, if it has one

	done, refused           int
	transactions, statement int64
	cpu                     []time.Duration // of one login, by round
}

// trouble counts answers of status 500 and more.
type trouble struct {
	next http.RoundTripper
	seen atomic.Int64
}

// RoundTrip is http.RoundTripper's.
func (t *trouble) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.next.RoundTrip(r)
	if err == nil && res.StatusCode >= http.StatusInternalServerError {
		t.seen.Add(1)
	}
	return res, err
}

func newTrouble(atOnce int) *trouble {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = atOnce
	return &trouble{next: transport}
}

// BenchmarkBesideDex measures complete logins at pachd and at Dex with its memory
// storage, by turns, with the same directory behind them. The figures are of the
// processor time of each server alone; what the ratios should be is in issue 12, and
// docs/performance.md says which are met.
func BenchmarkBesideDex(b *testing.B) {
	const atOnce, rounds, perRound = 8, 9, 64
	// warm is how many logins it takes until a heap has been as large as it gets: memory
	// that is touched for the first time is dear, and one round in three has all of it.
	const warm = 512
	office := newOffice(b, atOnce)
	all := []*contender{office.dex("RS256"), office.dex("ES256")}
	floor, durable, sqlite := map[string]*contender{}, map[string]*contender{}, map[string]*contender{}
	for _, algorithm := range []string{"RS256", "ES256"} {
		floor[algorithm] = office.floor("floor/"+algorithm, "-algorithm", algorithm)
		durable[algorithm] = office.floor("floor-durable/"+algorithm, "-algorithm", algorithm, "-log", filepath.Join(b.TempDir(), "log"))
		all = append(all, floor[algorithm], durable[algorithm])
		sqlite[algorithm] = office.pachd("pachd-sqlite/"+algorithm, "PACHD_ISSUER_SIGNING_ALGORITHM="+algorithm)
		all = append(all, sqlite[algorithm])
	}
	counter, database := dbtest.NewCounter(b, dbtest.PostgresURL(b))
	postgres := office.pachd("pachd-postgres/ES256", "PACHD_ISSUER_SIGNING_ALGORITHM=ES256", "PACHD_DATABASE_URL="+database)
	postgres.counter = counter
	all = append(all, postgres)
	for _, c := range all {
		c.round(b, atOnce, warm)
		c.cpu, c.done, c.refused, c.transactions, c.statement = nil, 0, 0, 0, 0
	}
	for range rounds {
		for _, c := range all {
			c.round(b, atOnce, perRound)
		}
	}
	for _, c := range all {
		metrics := map[string]float64{
			"cpu-ms/login": ms(median(c.cpu)), "cpu-ms/login-least": ms(slices.Min(c.cpu)), "cpu-ms/login-most": ms(slices.Max(c.cpu)),
			"of-dex-RS256": median(ratios(c.cpu, all[0].cpu)), "failed": float64(c.refused),
		}
		for algorithm, its := range sqlite {
			if c == its {
				metrics["of-floor"] = median(ratios(c.cpu, floor[algorithm].cpu))
				metrics["of-floor-durable"] = median(ratios(c.cpu, durable[algorithm].cpu))
			}
		}
		if c.counter != nil {
			metrics["of-sqlite"] = median(ratios(c.cpu, sqlite["ES256"].cpu))
			metrics["transactions/login"] = float64(c.transactions) / float64(c.done)
			metrics["statements/login"] = float64(c.statement) / float64(c.done)
		}
		report(b, c.name, metrics)
	}
}

// BenchmarkManyAtOnce measures how much of what the processors allow many logins at
// once reach: a lock that they queue for would leave processors idle, unless other
// processes take them.
func BenchmarkManyAtOnce(b *testing.B) {
	for _, algorithm := range []string{"RS256", "ES256"} {
		for _, atOnce := range []int{8, 32, 64} {
			office := newOffice(b, atOnce)
			c := office.pachd("pachd", "PACHD_ISSUER_SIGNING_ALGORITHM="+algorithm)
			c.round(b, atOnce, atOnce)
			c.cpu, c.done, c.refused = nil, 0, 0
			spent := func() time.Duration {
				return cpuTime(b, c.pid) + cpuTime(b, office.directory.PID()) + cpuTime(b, os.Getpid())
			}
			begun, before := time.Now(), spent()
			allBefore, idleBefore := machineTime(b)
			c.round(b, atOnce, 1024)
			lasted, ours := time.Since(begun), spent()-before
			all, idle := machineTime(b)
			all, idle = all-allBefore, idle-idleBefore
			reached := float64(c.done) / lasted.Seconds()
			used := float64(ours) / float64(ours+idle)
			report(b, fmt.Sprintf("%s/at-once=%d", algorithm, atOnce), map[string]float64{
				"logins/s": reached, "logins/s-allowed": reached / used, "of-allowed": used, "cpu-ms/login": ms(c.cpu[0]),
				"others": max(0, float64(all-idle-ours)/float64(all)), "http-5xx": float64(office.transport.seen.Load()), "failed": float64(c.refused),
			})
		}
	}
}

// BenchmarkConnectors measures what a login costs where there are many connectors, by
// turns with one where there is no other.
func BenchmarkConnectors(b *testing.B) {
	const atOnce, rounds, perRound, many = 8, 7, 64, 1000
	office := newOffice(b, atOnce)
	office.uses = "ldap" // nobody is asked which
	all := []*contender{office.pachd("connectors=1", "PACHD_ISSUER_SIGNING_ALGORITHM=ES256"), office.pachd("connectors=1000", "PACHD_ISSUER_SIGNING_ALGORITHM=ES256")}
	conn := all[1].daemon.dial()
	for n := range many - 1 {
		office.connect(all[1].daemon, conn, fmt.Sprintf("other-%d", n))
	}
	for turn := range rounds + 1 {
		for _, c := range all {
			c.round(b, atOnce, perRound)
			if turn == 0 { // warm
				c.cpu = nil
			}
		}
	}
	for _, c := range all {
		report(b, c.name, map[string]float64{"cpu-ms/login": ms(median(c.cpu)), "of-one": median(ratios(c.cpu, all[0].cpu)), "failed": float64(c.refused)})
	}
}

// round does so many logins, so many at once.
func (c *contender) round(b *testing.B, atOnce, logins int) {
	b.Helper()
	var transactions, statements int64
	if c.counter != nil {
		transactions, statements = c.counter.Counts()
	}
	before := cpuTime(b, c.pid)
	var begun, refused atomic.Int64
	var wg sync.WaitGroup
	for n := range atOnce {
		wg.Go(func() {
			for begun.Add(1) <= int64(logins) {
				if err := c.logins[n%len(c.logins)](b.Context()); err != nil {
					refused.Add(1)
					b.Logf("%s: %v", c.name, err)
				}
			}
		})
	}
	wg.Wait()
	failed := int(refused.Load())
	c.done += logins - failed
	c.refused += failed
	if failed == logins {
		b.Fatalf("%s: no login succeeds", c.name)
	}
	c.cpu = append(c.cpu, (cpuTime(b, c.pid)-before)/time.Duration(logins-failed))
	if c.counter != nil {
		t, s := c.counter.Counts()
		c.transactions += t - transactions
		c.statement += s - statements
	}
}

// office has a directory, and people who sign in at the same time.
type office struct {
	b         *testing.B
	directory *idp.OpenLDAP
	people    []idp.Person
	transport *trouble
	uses      string // the connector to sign in with; empty where there is one only
}

func newOffice(b *testing.B, atOnce int) *office {
	b.Helper()
	o := &office{b: b, transport: newTrouble(atOnce)}
	for n := range atOnce {
		name := fmt.Sprintf("person-%d", n)
		o.people = append(o.people, idp.Person{Name: name, Password: "secret-of-" + name, Email: name + "@example.com", Groups: idp.Alice.Groups})
	}
	o.directory = idp.StartOpenLDAP(b, idp.OpenLDAPOptions{More: o.people})
	return o
}

// connector is the same for both. Its way to the directory has no TLS, which would
// cost both the same.
func (o *office) connector() map[string]any {
	config := with(ldapConfig(o.directory), map[string]any{"host": o.directory.Plain, "insecureNoSSL": true})
	config["groupSearch"] = with(config["groupSearch"].(map[string]any), map[string]any{"nameAttr": "cn"}) // which Dex has no default for
	return config
}

func (o *office) pachd(name string, env ...string) *contender {
	b := o.b
	b.Helper()
	// One machine signs in all the time.
	d := newDaemon(b, append(env, "PACHD_LIMITS_SIGN_INS_PER_MINUTE=10000000", "PACHD_LIMITS_PENDING_SIGN_INS=1000000")...)
	d.start()
	conn := d.dial()
	o.connect(d, conn, "ldap")
	c := &contender{name: name, daemon: d, pid: d.cmd.Process.Pid}
	for _, who := range o.people {
		login, err := walk.NewLogin(b.Context(), pachpb.NewAPIClient(conn), authpb.NewAPIClient(conn), who)
		if err != nil {
			b.Fatal(err)
		}
		login.Transport, login.Connector = o.transport, o.uses
		c.logins = append(c.logins, func(ctx context.Context) error { _, err := login.Run(ctx); return err })
	}
	return c
}

// connect creates a connector to the directory.
func (o *office) connect(d *daemon, conn *grpc.ClientConn, id string) {
	o.b.Helper()
	config, err := structpb.NewStruct(o.connector())
	if err != nil {
		o.b.Fatal(err)
	}
	connector := &identitypb.IDPConnector{Id: id, Name: "LDAP " + id, Type: "ldap", ConfigVersion: 1, Config: config}
	if _, err := identitypb.NewAPIClient(conn).CreateIDPConnector(as(o.b.Context(), d.rootToken()), &identitypb.CreateIDPConnectorRequest{Connector: connector}); err != nil {
		o.b.Fatal(err)
	}
}

func (o *office) dex(algorithm string) *contender {
	o.b.Helper()
	address := idp.FreeAddress(o.b)
	c, output := o.beside("dex-memory/"+algorithm, "dexserver", "-listen", address, "-algorithm", algorithm, "-redirect", walk.RedirectURI)
	for _, login := range o.at("http://" + address + "/dex") {
		c.logins = append(c.logins, func(ctx context.Context) error { _, err := login.IDToken(ctx); return err })
	}
	return c.ready(o.b, output)
}

func (o *office) floor(name string, args ...string) *contender {
	o.b.Helper()
	address, calls := idp.FreeAddress(o.b), idp.FreeAddress(o.b)
	c, output := o.beside(name, "floor", append(args, "-listen", address, "-grpc", calls)...)
	conn := dial(o.b, calls)
	for _, login := range o.at("http://" + address) {
		login.API = authpb.NewAPIClient(conn)
		c.logins = append(c.logins, func(ctx context.Context) error { _, err := login.Run(ctx); return err })
	}
	return c.ready(o.b, output)
}

// beside starts a program that gets the connector's configuration.
func (o *office) beside(name, which string, args ...string) (*contender, *idp.Output) {
	b := o.b
	b.Helper()
	config, err := json.Marshal(o.connector())
	if err != nil {
		b.Fatal(err)
	}
	output := &idp.Output{}
	cmd := exec.CommandContext(context.Background(), program(b, which), args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(string(config)), output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return &contender{name: name, pid: cmd.Process.Pid}, output
}

// at are the people's logins at an issuer that is not pachd's.
func (o *office) at(issuer string) (all []*walk.Login) {
	for _, who := range o.people {
		all = append(all, &walk.Login{Person: who, Transport: o.transport, SignIn: &pachpb.GetSignInResponse{
			ClientId: "bench", AuthorizationEndpoint: issuer + "/auth", TokenEndpoint: issuer + "/token",
		}})
	}
	return all
}

// ready waits until somebody can sign in.
func (c *contender) ready(b *testing.B, output *idp.Output) *contender {
	b.Helper()
	for until := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		err := c.logins[0](b.Context())
		if err == nil {
			return c
		}
		if !errors.Is(err, syscall.ECONNREFUSED) || time.Now().After(until) {
			b.Fatalf("%s signs nobody in: %v\n%s", c.name, err, output)
		}
	}
}

// report has a line of its own for what was measured already.
func report(b *testing.B, name string, metrics map[string]float64) {
	b.Helper()
	b.Run(name, func(b *testing.B) {
		b.ReportMetric(0, "ns/op") // which says nothing here, and is left out so
		for unit, value := range metrics {
			b.ReportMetric(value, unit)
		}
	})
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }

func median[T time.Duration | float64](all []T) T {
	return slices.Sorted(slices.Values(all))[len(all)/2]
}

func ratios(of, to []time.Duration) (all []float64) {
	for n := range of {
		all = append(all, float64(of[n])/float64(to[n]))
	}
	return all
}

// machineTime is the time of all processors together, and for how long of it they had
// nothing to do, or waited for a disk (proc(5), /proc/stat, in hundredths of a second).
func machineTime(b *testing.B) (all, idle time.Duration) {
	b.Helper()
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		b.Fatal(err)
	}
	line, _, _ := strings.Cut(string(data), "\n")
	fields := strings.Fields(line)
	const user, idleAt, waitingAt, steal = 1, 4, 5, 8 // what follows is in user already
	if len(fields) <= steal {
		b.Fatalf("/proc/stat begins with %q", line)
	}
	for at := user; at <= steal; at++ {
		n, err := strconv.Atoi(fields[at])
		if err != nil {
			b.Fatal(err)
		}
		spent := time.Duration(n) * 10 * time.Millisecond
		all += spent
		if at == idleAt || at == waitingAt {
			idle += spent
		}
	}
	return all, idle
}
