package test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"

	datapb "pachyderm/api/data"
	pfspb "pachyderm/api/pfs"
	"pachyderm/test/idp"
)

// store is a pachd with one repository, and a client of root.
type store struct {
	b    *testing.B
	d    *daemon
	pfs  pfspb.APIClient
	data datapb.APIClient
	ctx  context.Context
}

func newStore(b *testing.B) *store {
	b.Helper()
	d := newDaemon(b)
	d.start()
	conn := dataConn(b, d.grpc)
	s := &store{b, d, pfspb.NewAPIClient(conn), datapb.NewAPIClient(conn), as(b.Context(), d.rootToken())}
	_, err := s.pfs.CreateRepo(s.ctx, &pfspb.CreateRepoRequest{Repo: &pfspb.Repo{Name: "r"}})
	s.must(err)
	return s
}

// newFloor is a server that receives and sends the same, and keeps nothing.
func newFloor(b *testing.B) *store {
	b.Helper()
	address := idp.FreeAddress(b)
	cmd := exec.CommandContext(b.Context(), program(b, "datafloor"), "-listen", address)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	conn := dataConn(b, address)
	return &store{b: b, pfs: pfspb.NewAPIClient(conn), data: datapb.NewAPIClient(conn), ctx: b.Context()}
}

func dataConn(b *testing.B, address string) *grpc.ClientConn {
	b.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(20<<20), grpc.WaitForReady(true)))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	return conn
}

func (s *store) must(err error) {
	s.b.Helper()
	if err != nil {
		s.b.Fatal(err)
	}
}

func benchMaster() *pfspb.Commit {
	r := &pfspb.Repo{Name: "r"}
	return &pfspb.Commit{Repo: r, Branch: &pfspb.Branch{Repo: r, Name: "master"}}
}

// put sends files in one stream, as pachctl does: each is deleted, and then added in
// pieces of 2 MiB.
func (s *store) put(to *pfspb.Commit, each func(send func(path string, data []byte))) error {
	stream, err := s.pfs.ModifyFile(s.ctx)
	if err != nil {
		return err
	}
	send := func(m *pfspb.ModifyFileRequest) { _ = stream.Send(m) } // CloseAndRecv says what was wrong
	send(&pfspb.ModifyFileRequest{Body: &pfspb.ModifyFileRequest_SetCommit{SetCommit: to}})
	each(func(path string, data []byte) {
		send(&pfspb.ModifyFileRequest{Body: &pfspb.ModifyFileRequest_DeleteFile{DeleteFile: &pfspb.DeleteFile{Path: path}}})
		for piece := range slices.Chunk(data, 2<<20) {
			send(&pfspb.ModifyFileRequest{Body: &pfspb.ModifyFileRequest_AddFile{AddFile: &pfspb.AddFile{
				Path: path, Source: &pfspb.AddFile_Raw{Raw: wrapperspb.Bytes(piece)},
			}}})
		}
	})
	_, err = stream.CloseAndRecv()
	return err
}

// putTogether is put as our own pachctl does it, with many changes in each message.
func (s *store) putTogether(to *pfspb.Commit, each func(send func(path string, data []byte))) error {
	stream, err := s.data.ModifyFiles(s.ctx)
	if err != nil {
		return err
	}
	changes, size := []*pfspb.ModifyFileRequest{{Body: &pfspb.ModifyFileRequest_SetCommit{SetCommit: to}}}, 0
	send := func() {
		_ = stream.Send(&datapb.ModifyFilesRequest{Changes: changes}) // CloseAndRecv says what was wrong
		changes, size = nil, 0
	}
	each(func(path string, data []byte) {
		changes = append(changes, &pfspb.ModifyFileRequest{Body: &pfspb.ModifyFileRequest_DeleteFile{DeleteFile: &pfspb.DeleteFile{Path: path}}},
			&pfspb.ModifyFileRequest{Body: &pfspb.ModifyFileRequest_AddFile{AddFile: &pfspb.AddFile{Path: path, Source: &pfspb.AddFile_Raw{Raw: wrapperspb.Bytes(data)}}}})
		if size += len(data); size >= 960<<10 {
			send()
		}
	})
	send()
	_, err = stream.CloseAndRecv()
	return err
}

func (s *store) get(path string) int64 {
	s.b.Helper()
	stream, err := s.pfs.GetFile(s.ctx, &pfspb.GetFileRequest{File: &pfspb.File{Commit: benchMaster(), Path: path}})
	s.must(err)
	total := int64(0)
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return total
		}
		s.must(err)
		total += int64(len(m.GetValue()))
	}
}

// stored are the number and the size of the objects.
func (s *store) stored() (objects int, size int64) {
	s.must(filepath.WalkDir(filepath.Join(s.d.dir, "objects"), func(_ string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			objects, size = objects+1, size+info.Size()
		}
		return err
	}))
	return objects, size
}

func took(f func()) float64 {
	began := time.Now()
	f()
	return time.Since(began).Seconds()
}

// p99 is what one of a hundred takes longer than, in ms.
func p99(n int, f func(int)) float64 {
	all := make([]float64, n)
	for i := range all {
		all[i] = took(func() { f(i) }) * 1000
	}
	return nth(all, 99)
}

// nth is what so many of a hundred are not longer than.
func nth(all []float64, percent int) float64 {
	return slices.Sorted(slices.Values(all))[len(all)*percent/100]
}

// restic is a backup program that divides files by their content as pachd does, and
// encrypts what it stores.
type restic struct {
	b    *testing.B
	repo string
}

func newRestic(b *testing.B) *restic {
	b.Helper()
	r := &restic{b, filepath.Join(b.TempDir(), "restic")}
	r.run("init")
	return r
}

func (r *restic) run(args ...string) {
	r.b.Helper()
	cmd := exec.CommandContext(r.b.Context(), "restic", append([]string{"-q", "--no-cache", "-r", r.repo}, args...)...)
	cmd.Env = append(os.Environ(), "RESTIC_PASSWORD=benchmark")
	if out, err := cmd.CombinedOutput(); err != nil {
		r.b.Fatalf("restic %v (apt-get install restic): %v\n%s", args, err, out)
	}
}

func noise(n int) []byte {
	data := make([]byte, n)
	_, _ = rand.Read(data)
	return data
}

// 20,000 files of 4 KB in one stream, and again as they are, beside a backup of them.
func BenchmarkData_SmallFiles(b *testing.B) {
	const n = 20_000
	dir := b.TempDir()
	contents := make([][]byte, n)
	name := func(i int) string { return fmt.Sprintf("/d%03d/f%05d", i/100, i) }
	for i := range contents {
		contents[i] = noise(4096)
		if err := os.MkdirAll(filepath.Dir(dir+name(i)), 0o700); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(dir+name(i), contents[i], 0o600); err != nil {
			b.Fatal(err)
		}
	}
	files := func(send func(string, []byte)) {
		for i, c := range contents {
			send(name(i), c)
		}
	}
	for range b.N {
		s, r, floor := newStore(b), newRestic(b), newFloor(b)
		put := func() { s.must(s.put(benchMaster(), files)) }
		receive := func() { s.must(floor.put(benchMaster(), files)) }
		receive()
		least := took(receive)
		first := took(put)
		theirs := took(func() { r.run("backup", dir) })
		other := newStore(b)
		together := took(func() { other.must(other.putTogether(benchMaster(), files)) })
		var again3, least3 []float64 // by turns, so that both have the same neighbours
		for range 3 {
			again3 = append(again3, took(func() { other.must(other.putTogether(benchMaster(), files)) }))
			least3 = append(least3, took(func() { s.must(floor.putTogether(benchMaster(), files)) }))
		}
		togetherAgain, togetherLeast := nth(again3, 50), nth(least3, 50)
		b.ReportMetric(n/together, "together-files/s")
		b.ReportMetric(n/togetherAgain, "together-again-files/s")
		b.ReportMetric(n/togetherLeast, "together-floor-files/s")
		b.ReportMetric(togetherLeast/togetherAgain, "together-again-of-floor")
		b.ReportMetric(together/togetherAgain, "together-again-of-first")
		b.ReportMetric(together/togetherLeast, "together-floor-of-first")
		b.ReportMetric(theirs/together, "together-of-restic")
		before, _ := s.stored()
		again := took(put)
		after, _ := s.stored()
		least = min(least, took(receive))
		copied := took(func() {
			if out, err := exec.CommandContext(b.Context(), "cp", "-r", dir, b.TempDir()).CombinedOutput(); err != nil {
				b.Fatalf("%v: %s", err, out)
			}
		})
		b.ReportMetric(n/first, "files/s")
		b.ReportMetric(n/again, "again-files/s")
		b.ReportMetric(n/theirs, "restic-files/s")
		b.ReportMetric(n/least, "floor-files/s")
		b.ReportMetric(theirs/first, "of-restic")
		b.ReportMetric(least/first, "of-floor")
		b.ReportMetric(least/again, "again-of-floor")
		b.ReportMetric(n/copied, "cp-files/s")
		b.ReportMetric(first/again, "again-of-first")
		b.ReportMetric(float64(after-before), "new-packs")
	}
}

// 1 GiB that nothing compresses, put and got, and with one byte before it.
func BenchmarkData_LargeFile(b *testing.B) {
	const size = 1 << 30
	data := noise(size)
	path := filepath.Join(b.TempDir(), "file")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		b.Fatal(err)
	}
	for range b.N {
		s, r := newStore(b), newRestic(b)
		ours := took(func() { s.must(s.put(benchMaster(), func(send func(string, []byte)) { send("/file", data) })) })
		theirs := took(func() { r.run("backup", path) })
		got := took(func() {
			if n := s.get("/file"); n != size {
				b.Fatalf("got %d bytes", n)
			}
		})
		_, before := s.stored()
		s.must(s.put(benchMaster(), func(send func(string, []byte)) { send("/file", append([]byte{1}, data...)) }))
		_, after := s.stored()
		b.ReportMetric(size/1e6/ours, "put-MB/s")
		b.ReportMetric(size/1e6/got, "get-MB/s")
		b.ReportMetric(theirs/ours, "put-of-restic")
		b.ReportMetric(theirs/got, "get-of-restic")
		b.ReportMetric(float64(after-before)/1e6, "front-byte-MB")
	}
}

// Files of some 70 bytes, in directories of 1,000, beside a server that sends as many.
func BenchmarkData_ManyFiles(b *testing.B) {
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("files=%d", n), func(b *testing.B) {
			for range b.N {
				manyFiles(b, n/1000)
			}
		})
	}
}

func manyFiles(b *testing.B, dirs int) {
	b.Helper()
	const each = 1000
	s, floor := newStore(b), newFloor(b)
	put := took(func() {
		s.must(s.put(benchMaster(), func(send func(string, []byte)) {
			for i := range dirs {
				for j := range each {
					send(fmt.Sprintf("/d%04d/f%04d", i, j), bytes.Repeat(fmt.Append(nil, i, j), 12))
				}
			}
		}))
	})
	b.ReportMetric(float64(dirs*each)/put, "files/s")
	b.ReportMetric(peakMiB(b, s.d.cmd.Process.Pid), "peak-MiB")
	file := func(i int) *pfspb.File {
		return &pfspb.File{Commit: benchMaster(), Path: fmt.Sprintf("/d%04d/f%04d", i*7%dirs, i*13%each)}
	}
	list := func(of *store, i int) {
		stream, err := of.pfs.ListFile(of.ctx, &pfspb.ListFileRequest{
			File: &pfspb.File{Commit: benchMaster(), Path: fmt.Sprintf("/d%04d", i%dirs)}, Number: each,
		})
		s.must(err)
		if n := drain(b, stream); n != each {
			b.Fatalf("listed %d", n)
		}
	}
	var all, least []float64
	for i := range 1000 { // by turns, so that both have the same neighbours
		all = append(all, took(func() { list(s, i) })*1000)
		least = append(least, took(func() { list(floor, i) })*1000)
	}
	b.ReportMetric(nth(all, 99), "p99-ms/list-of-1000")
	b.ReportMetric(nth(least, 99), "p99-ms/list-floor")
	b.ReportMetric(nth(all, 50), "ms/list-of-1000")
	b.ReportMetric(nth(all, 50)/nth(least, 50), "list-of-floor")
	b.ReportMetric(p99(1000, func(i int) {
		_, err := s.pfs.InspectFile(s.ctx, &pfspb.InspectFileRequest{File: file(i)})
		s.must(err)
	}), "p99-ms/inspect")
	s.must(s.put(benchMaster(), func(send func(string, []byte)) {
		for i := range 10 {
			send(file(i).GetPath(), []byte("changed"))
		}
	}))
	b.ReportMetric(p99(20, func(int) {
		stream, err := s.pfs.DiffFile(s.ctx, &pfspb.DiffFileRequest{NewFile: &pfspb.File{Commit: benchMaster(), Path: "/"}})
		s.must(err)
		if n := drain(b, stream); n != 21 { // the files, their directories, and the root
			b.Fatalf("%d differ", n)
		}
	}), "p99-ms/diff-of-10")
	b.ReportMetric(p99(20, func(int) {
		_, err := s.pfs.StartCommit(s.ctx, &pfspb.StartCommitRequest{Branch: benchMaster().GetBranch()})
		s.must(err)
		_, err = s.pfs.FinishCommit(s.ctx, &pfspb.FinishCommitRequest{Commit: benchMaster()})
		s.must(err)
	}), "p99-ms/start-and-finish")
}

// One branch, to which 100 files are put over and over, each time as a commit.
func BenchmarkData_ManyCommits(b *testing.B) {
	const paths = 100
	for range b.N {
		s, made := newStore(b), 0
		put := func(i int) error {
			return s.put(benchMaster(), func(send func(string, []byte)) { send(fmt.Sprintf("/f%02d", i%paths), fmt.Append(nil, i)) })
		}
		for _, size := range []int{100, 1000, 10_000} {
			s.fill(made, size-50, put)
			made = size
			report := func(f func(int), unit string) {
				all := make([]float64, 50)
				for i := range all {
					all[i] = took(func() { f(i) }) * 1000
				}
				b.ReportMetric(nth(all, 50), fmt.Sprintf("ms/%s-at-%d", unit, size))
			}
			report(func(i int) { s.must(put(size - 50 + i)) }, "put")
			list := func(l *pfspb.ListCommitRequest) func(int) {
				return func(int) {
					stream, err := s.pfs.ListCommit(s.ctx, l)
					s.must(err)
					if n := drain(b, stream); n != 20 {
						b.Fatalf("listed %d", n)
					}
				}
			}
			report(list(&pfspb.ListCommitRequest{Repo: benchMaster().GetRepo(), Number: 20}), "list")
			report(list(&pfspb.ListCommitRequest{Repo: benchMaster().GetRepo(), To: benchMaster(), Number: 20}), "list-of-branch")
			report(func(int) {
				_, err := s.pfs.InspectCommit(s.ctx, &pfspb.InspectCommitRequest{Commit: benchMaster()})
				s.must(err)
			}, "inspect-commit")
			report(func(i int) {
				_, err := s.pfs.InspectFile(s.ctx, &pfspb.InspectFileRequest{File: &pfspb.File{Commit: benchMaster(), Path: fmt.Sprintf("/f%02d", i)}})
				s.must(err)
			}, "inspect-file")
		}
	}
}

// fill puts what has a number from one up to another, many at once.
func (s *store) fill(from, to int, put func(int) error) {
	const atOnce = 50
	errs := make(chan error, atOnce)
	for p := range atOnce {
		go func() {
			var err error
			for i := from + p; i < to && err == nil; i += atOnce {
				err = put(i)
			}
			errs <- err
		}()
	}
	for range atOnce {
		s.must(<-errs)
	}
}

func drain[M any](b *testing.B, stream grpc.ServerStreamingClient[M]) (n int) {
	b.Helper()
	for {
		_, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			b.Fatal(err)
		}
		n++
	}
}

// 100 who put a file each into one branch, over and over.
func BenchmarkData_ManyAtOnce(b *testing.B) {
	const people, each = 100, 10
	for range b.N {
		s := newStore(b)
		all := took(func() {
			errs := make(chan error, people)
			for p := range people {
				go func() {
					var err error
					for i := 0; i < each && err == nil; i++ {
						err = s.put(benchMaster(), func(send func(string, []byte)) { send(fmt.Sprintf("/p%d/f%d", p, i), []byte("x")) })
					}
					errs <- err
				}()
			}
			for range people {
				s.must(<-errs)
			}
		})
		b.ReportMetric(people*each/all, "commits/s")
		alone := took(func() {
			for i := range 50 {
				s.must(s.put(benchMaster(), func(send func(string, []byte)) { send(fmt.Sprintf("/alone/%d", i), []byte("x")) }))
			}
		})
		b.ReportMetric(alone/50*1000, "ms/put-alone")
	}
}

// peakMiB is what a process had resident at most.
func peakMiB(b *testing.B, pid int) float64 {
	b.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "VmHWM:")
	kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	return kib / 1024
}
