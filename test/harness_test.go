package test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/structpb"

	authpb "pachyderm/api/auth"
	identitypb "pachyderm/api/identity"
	"pachyderm/demo/op"
	"pachyderm/test/idp"
)

// binaries builds the programs once and returns the folder they are in.
var binaries = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "pach-bin-")
	if err != nil {
		return "", err
	}
	build := exec.CommandContext(context.Background(), "go", "build", "-o", dir, "./cmd/pachd", "./cmd/pachctl", "./demo", "./test/dexserver", "./test/floor", "./test/datafloor", "./test/load")
	build.Dir = ".."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w: %s", err, out)
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := binaries(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

func program(tb testing.TB, name string) string {
	tb.Helper()
	dir, err := binaries()
	if err != nil {
		tb.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// daemon is a pachd process; its ports and directory outlive it.
type daemon struct {
	tb         testing.TB
	dir        string
	grpc, http string
	env        []string
	root       string   // token, where it is configured
	prefix     []string // what pachd is started by, such as a command that changes the network
	output     *idp.Output
	cmd        *exec.Cmd
}

func newDaemon(tb testing.TB, env ...string) *daemon {
	tb.Helper()
	d := &daemon{tb: tb, dir: tb.TempDir(), output: &idp.Output{}}
	d.grpc = idp.FreeAddress(tb)
	d.http = idp.FreeAddress(tb)
	d.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "PACHD_LISTEN_GRPC=" + d.grpc, "PACHD_LISTEN_HTTP=" + d.http, "PACHD_LISTEN_CALLBACK=", "PACHD_LISTEN_METRICS=",
		"PACHD_SECRETS_ALLOW_FILES=" + os.TempDir(), // where the certificates of the providers are
	}, env...)
	tb.Cleanup(d.kill)
	return d
}

// start runs pachd and waits until it is ready.
func (d *daemon) start() {
	d.tb.Helper()
	args := append(slices.Clone(d.prefix), program(d.tb, "pachd"), "--data-dir", d.dir)
	d.cmd = exec.CommandContext(context.Background(), args[0], args[1:]...)
	d.cmd.Env, d.cmd.Stdout, d.cmd.Stderr = d.env, d.output, d.output
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := d.cmd.Start(); err != nil {
		d.tb.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(d.tb.Context(), time.Minute)
	defer cancel()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.http+"/readyz", nil)
		if err != nil {
			d.tb.Fatal(err)
		}
		res, err := http.DefaultClient.Do(r)
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		if ctx.Err() != nil {
			d.tb.Fatalf("pachd does not get ready:\n%s", d.output)
		}
	}
}

// kill ends the process as a power cut would.
func (d *daemon) kill() {
	if d.cmd != nil && d.cmd.Process != nil {
		_ = d.cmd.Process.Kill()
		_ = d.cmd.Wait()
		d.cmd = nil
	}
}

func (d *daemon) rootToken() string {
	d.tb.Helper()
	if d.root != "" {
		return d.root
	}
	data, err := os.ReadFile(filepath.Join(d.dir, "root-token"))
	if err != nil {
		d.tb.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

// as is the context of a call with a token.
func as(ctx context.Context, token string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authn-token", token)
}

func (d *daemon) dial() *grpc.ClientConn {
	d.tb.Helper()
	return dial(d.tb, d.grpc)
}

func dial(tb testing.TB, address string) *grpc.ClientConn {
	tb.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	return conn
}

func (d *daemon) callback() string { return "http://" + d.http + "/callback" }

// document is a connector to a demo provider.
func (d *daemon) document(p *op.Provider, id string, version int64) *identitypb.IDPConnector {
	d.tb.Helper()
	config, err := structpb.NewStruct(map[string]any{
		"issuer": p.Issuer, "clientID": p.ClientID, "clientSecret": p.ClientSecret, "redirectURI": d.callback(), "insecureEnableGroups": true,
	})
	if err != nil {
		d.tb.Fatal(err)
	}
	return &identitypb.IDPConnector{Id: id, Name: "Demo", Type: "oidc", ConfigVersion: version, Config: config}
}

func (d *daemon) connect(p *op.Provider) {
	d.tb.Helper()
	ctx := as(d.tb.Context(), d.rootToken())
	if _, err := identitypb.NewAPIClient(d.dial()).CreateIDPConnector(ctx, &identitypb.CreateIDPConnectorRequest{Connector: d.document(p, "demo", 1)}); err != nil {
		d.tb.Fatal(err)
	}
}

func whoAmI(ctx context.Context, conn *grpc.ClientConn, token string) (string, error) {
	res, err := authpb.NewAPIClient(conn).WhoAmI(as(ctx, token), &authpb.WhoAmIRequest{})
	return res.GetUsername(), err
}
