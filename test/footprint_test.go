package test

import (
	"bufio"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"database/sql"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"

	authpb "pachyderm/api/auth"
	"pachyderm/demo/op/optest"
	"pachyderm/test/idp"
)

// BenchmarkFootprint measures what a person costs at rest, a membership, a binding
// and a token: in the database's file, and in the heap of a pachd that has just
// started. It is the difference that 100,000 people make, or what ten times as many
// bindings or tokens do.
func BenchmarkFootprint(b *testing.B) {
	const many = 100_000
	metrics := idp.FreeAddress(b)
	// The collector lets the heap grow by a twentieth over what is in use.
	d := newDaemon(b, "PACHD_ISSUER_SIGNING_ALGORITHM=ES256", "PACHD_LISTEN_METRICS="+metrics, "GOGC=5")
	measure := func() (disk, heap float64) {
		d.start()
		heap = inUse(b, metrics)
		d.kill()
		return float64(usedBytes(b, filepath.Join(d.dir, "pachd.db"))), heap
	}
	measure() // makes the schema
	disk, heap := measure()
	for _, part := range []struct {
		name string
		rows float64
	}{{people, many}, {memberships, 2 * many}, {bindings, 10 * many}, {tokens, 10 * many}} {
		d.fill(many, part.name)
		nowDisk, nowHeap := measure()
		report(b, part.name, map[string]float64{"disk-B": (nowDisk - disk) / part.rows, "heap-B": (nowHeap - heap) / part.rows})
		disk, heap = nowDisk, nowHeap
	}
}

// inUse is the heap that a pachd says it has, in bytes.
func inUse(b *testing.B, address string) float64 {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		b.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "go_memstats_heap_alloc_bytes "); ok {
			n, err := strconv.ParseFloat(text, 64)
			if err != nil {
				b.Fatal(err)
			}
			return n
		}
	}
	b.Fatal("pachd does not say what its heap has")
	return 0
}

// usedBytes are those of the pages of a database that are in use.
func usedBytes(b *testing.B, path string) (used int64) {
	b.Helper()
	pool, err := sql.Open("sqlite", path)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = pool.Close() }()
	var count, free, size int64
	for pragma, n := range map[string]*int64{"page_count": &count, "freelist_count": &free, "page_size": &size} {
		if err := pool.QueryRowContext(b.Context(), "PRAGMA "+pragma).Scan(n); err != nil {
			b.Fatal(err)
		}
	}
	return (count - free) * size
}

// BenchmarkCallCPU measures the processor time that pachd spends on a call of
// somebody who has signed in, over eight connections.
func BenchmarkCallCPU(b *testing.B) {
	d := newDaemon(b, "PACHD_ISSUER_SIGNING_ALGORITHM=ES256")
	provider := optest.Start(b, d.callback())
	d.start()
	d.connect(provider)
	session, err := d.login(b.Context(), d.dial(), optest.Alice)
	if err != nil {
		b.Fatal(err)
	}
	conns := make([]*grpc.ClientConn, 8)
	for n := range conns {
		conns[n] = d.dial()
	}
	for name, call := range map[string]func(context.Context, *grpc.ClientConn) error{
		"WhoAmI": func(ctx context.Context, c *grpc.ClientConn) error {
			_, err := authpb.NewAPIClient(c).WhoAmI(ctx, &authpb.WhoAmIRequest{})
			return err
		},
		"Authorize": func(ctx context.Context, c *grpc.ClientConn) error {
			_, err := authpb.NewAPIClient(c).Authorize(ctx, &authpb.AuthorizeRequest{
				Resource:    &authpb.Resource{Type: authpb.ResourceType_PROJECT, Name: "default"},
				Permissions: []authpb.Permission{authpb.Permission_PROJECT_LIST_REPO},
			})
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			ctx := as(b.Context(), session)
			before := cpuTime(b, d.cmd.Process.Pid)
			var begun atomic.Int64
			var wg sync.WaitGroup
			for _, c := range conns {
				wg.Go(func() {
					for begun.Add(1) <= int64(b.N) {
						if err := call(ctx, c); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64((cpuTime(b, d.cmd.Process.Pid)-before).Nanoseconds())/1000/float64(b.N), "cpu-us/call")
		})
	}
}

// BenchmarkMachine measures what the machine itself can do of what a login needs, in
// the file system where the data directories of the other benchmarks are.
func BenchmarkMachine(b *testing.B) {
	b.Run("fsync", func(b *testing.B) {
		f, err := os.Create(filepath.Join(b.TempDir(), "file"))
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		block := make([]byte, 4096)
		write := func() {
			if _, err := f.WriteAt(block, 0); err != nil { // in place, as a log that is used again
				b.Fatal(err)
			}
			if err := f.Sync(); err != nil {
				b.Fatal(err)
			}
		}
		write()
		for b.Loop() {
			write()
		}
	})
	b.Run("sqlite-transaction", func(b *testing.B) {
		pool, err := sql.Open("sqlite", "file:"+filepath.Join(b.TempDir(), "file.db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = pool.Close() }()
		pool.SetMaxOpenConns(1)
		if _, err := pool.ExecContext(b.Context(), "CREATE TABLE rows (text TEXT)"); err != nil {
			b.Fatal(err)
		}
		text := strings.Repeat("x", 200)
		for b.Loop() {
			if _, err := pool.ExecContext(b.Context(), "INSERT INTO rows (text) VALUES ($1)", text); err != nil {
				b.Fatal(err)
			}
		}
	})
	digest := sha256.Sum256([]byte("what is signed"))
	b.Run("RSA-2048", func(b *testing.B) {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("P-256", func(b *testing.B) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := ecdsa.SignASN1(rand.Reader, key, digest[:]); err != nil {
				b.Fatal(err)
			}
		}
	})
}
