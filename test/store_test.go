package test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "pachyderm/api/pfs"
	"pachyderm/internal/db/dbtest"
	"pachyderm/test/idp"
)

// objectStore is a server that speaks S3, and that no one here wrote. Its port and
// directory outlive it.
type objectStore struct {
	t             *testing.T
	address, root string
	cmd           *exec.Cmd
}

func startObjectStore(t *testing.T) *objectStore {
	t.Helper()
	o := &objectStore{t: t, address: idp.FreeAddress(t), root: t.TempDir()}
	if err := os.Mkdir(filepath.Join(o.root, "bucket"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.stop)
	o.start()
	return o
}

func (o *objectStore) start() {
	o.t.Helper()
	program, err := filepath.Abs("../.tools/versitygw-1.8.0")
	if err != nil {
		o.t.Fatal(err)
	}
	output := &idp.Output{}
	o.cmd = exec.CommandContext(context.Background(), program, "--port", o.address, "--access", "pachd-access", "--secret", "pachd-secret",
		"--keep-alive", "posix", o.root)
	o.cmd.Stdout, o.cmd.Stderr = output, output
	o.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := o.cmd.Start(); err != nil {
		o.t.Fatalf("%v: install it with make deps", err)
	}
	for {
		conn, err := (&net.Dialer{}).DialContext(o.t.Context(), "tcp", o.address)
		if err == nil {
			_ = conn.Close()
			return
		}
		if o.t.Context().Err() != nil {
			o.t.Fatalf("the object store does not start:\n%s", output)
		}
	}
}

func (o *objectStore) stop() {
	if o.cmd != nil {
		_ = o.cmd.Process.Kill()
		_ = o.cmd.Wait()
		o.cmd = nil
	}
}

// env has a pachd keep its objects there.
func (o *objectStore) env() []string {
	return []string{
		"PACHD_STORAGE_S3_ENDPOINT=http://" + o.address, "PACHD_STORAGE_S3_BUCKET=bucket", "PACHD_STORAGE_S3_PREFIX=data/",
		"PACHD_STORAGE_S3_ACCESS_KEY=pachd-access", "PACHD_STORAGE_S3_SECRET_KEY=pachd-secret", "PACHD_STORAGE_S3_PATH_STYLE=true",
	}
}

// files are those with objects.
func (o *objectStore) files() (all []string) {
	o.t.Helper()
	err := filepath.WalkDir(filepath.Join(o.root, "bucket"), func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && !strings.HasSuffix(path, "check") && !strings.HasSuffix(path, "installation") {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return all
}

// Replicas that write to one branch at the same time lose nothing to each other: each
// stream is in one commit, after which it is seen at the other replica at once.
func TestReplicas_WriteOneBranch(t *testing.T) {
	const root = "the-root-token-of-this-test"
	const writers, puts = 3, 8 // of each replica, of each writer
	store := startObjectStore(t)
	env := append(store.env(), "PACHD_ISSUER_SIGNING_ALGORITHM=ES256", "PACHD_DATABASE_URL="+dbtest.PostgresURL(t),
		"PACHD_SEALING_KEY_FILE="+filepath.Join(t.TempDir(), "sealing-key"), "PACHD_AUTH_ROOT_TOKEN="+root)
	var clients []pb.APIClient
	for range 2 {
		d := newDaemon(t, env...)
		d.start()
		clients = append(clients, pb.NewAPIClient(d.dial()))
	}
	ctx := as(t.Context(), root)
	if _, err := clients[0].CreateRepo(ctx, &pb.CreateRepoRequest{Repo: repoOf(shared)}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for n, here := range clients {
		there := clients[1-n]
		for w := range writers {
			wg.Go(func() {
				for k := range puts {
					text := fmt.Sprintf("%d %d %06d", n, w, k) // all of one length
					path := "/" + strings.ReplaceAll(text, " ", "-")
					if err := modify(ctx, here, masterOf(shared), adding(path, text)); err != nil {
						t.Errorf("%s: %v", path, err)
						return
					}
					if got, err := readFile(ctx, there, masterOf(shared), path); err != nil || got != text {
						t.Errorf("%s has %q at the other replica, %v", path, got, err)
					}
				}
			})
		}
	}
	wg.Wait()
	const all, length = 2 * writers * puts, len("0 0 000000")
	for _, client := range clients {
		have, err := readCommit(ctx, client, masterOf(shared))
		if err != nil || len(have) != all {
			t.Errorf("there are %d files of %d, %v", len(have), all, err)
		}
		stream, err := client.ListCommit(ctx, &pb.ListCommitRequest{Repo: repoOf(shared), Reverse: true})
		if err != nil {
			t.Fatal(err)
		}
		commits := 0
		for {
			c, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if commits++; c.GetDetails().GetSizeBytes() != int64(commits*length) || c.GetFinished() == nil {
				t.Errorf("commit %d has %d bytes, wanted one file more than the one before", commits, c.GetDetails().GetSizeBytes())
			}
		}
		if commits != all {
			t.Errorf("there are %d commits for %d streams", commits, all)
		}
		verifyStored(ctx, t, client)
	}
}

func readFile(ctx context.Context, client pb.APIClient, c *pb.Commit, path string) (string, error) {
	stream, err := client.GetFile(ctx, &pb.GetFileRequest{File: &pb.File{Commit: c, Path: path}})
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return text.String(), nil
		}
		if err != nil {
			return text.String(), err
		}
		text.Write(m.GetValue())
	}
}

// What callers see while an object store is gone, and after somebody has changed what is in it.
func TestObjectStore_GoneAndTamperedWith(t *testing.T) {
	store := startObjectStore(t)
	d := newDaemon(t, store.env()...)
	store.stop()
	d.start() // all the same
	ctx, client := as(t.Context(), d.rootToken()), pb.NewAPIClient(d.dial())
	if who, err := whoAmI(t.Context(), d.dial(), d.rootToken()); err != nil || who != "pach:root" {
		t.Errorf("root is %q, %v", who, err)
	}
	if _, err := client.CreateRepo(ctx, &pb.CreateRepoRequest{Repo: repoOf(shared)}); err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("of a cat ", 100_000)
	err := modify(ctx, client, masterOf(shared), adding("/a.png", text))
	if s := status.Convert(err); s.Code() != codes.Unavailable || !strings.Contains(s.Message(), "does not answer: see that it runs") {
		t.Errorf("without the store: %v", err)
	}
	store.start()
	if err := modify(ctx, client, masterOf(shared), adding("/a.png", text)); err != nil {
		t.Fatal(err)
	}
	if got, err := readFile(ctx, client, masterOf(shared), "/a.png"); err != nil || got != text {
		t.Errorf("it has %d bytes, %v", len(got), err)
	}
	verifyStored(ctx, t, client)

	files := store.files()
	if len(files) == 0 {
		t.Fatal("the store has no object")
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for n := range data {
			data[n] ^= 1
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d.kill()
	d.start() // so that nothing is remembered
	client = pb.NewAPIClient(d.dial())
	got, err := readFile(ctx, client, masterOf(shared), "/a.png")
	if s := status.Convert(err); s.Code() != codes.DataLoss || got != "" || !strings.Contains(s.Message(), "is damaged in the store: ask an administrator") {
		t.Errorf("%d bytes of a file that is damaged: %v", len(got), err)
	}
	stream, err := client.Fsck(ctx, &pb.FsckRequest{})
	var found []string
	for err == nil {
		var problem *pb.FsckResponse
		if problem, err = stream.Recv(); err == nil {
			found = append(found, problem.GetError())
		}
	}
	if all := strings.Join(found, "\n"); !errors.Is(err, io.EOF) || !strings.Contains(all, "does not open") || !strings.Contains(all, "commit default/shared@") {
		t.Errorf("fsck: %v, and finds\n%s", err, all)
	}
	if _, err := client.CheckStorage(ctx, &pb.CheckStorageRequest{ReadChunkData: true}); status.Code(err) != codes.DataLoss {
		t.Errorf("the check of the storage: %v", err)
	}
}
