package test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	datapb "pachyderm/api/data"
	pb "pachyderm/api/pfs"
)

// number is a setting of a test from the environment.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// A kill -9 at any point of what clients do to data loses nothing that was
// acknowledged, and leaves nothing by halves.
func TestKill_LosesNoData(t *testing.T) {
	seed := number(t, "PACH_KILL_SEED", rand.Uint64())
	left := number(t, "PACH_KILLS", 20)
	for ; left > 0 && !t.Failed(); seed++ {
		rounds := min(left, perInstallation)
		left -= rounds
		t.Run(fmt.Sprintf("PACH_KILL_SEED=%d", seed), func(t *testing.T) { killOne(t, seed, rounds) })
	}
}

// perInstallation is how many kills one installation sees: each reads all that came before.
const perInstallation = 50

func killOne(t *testing.T, seed, rounds uint64) {
	t.Helper()
	when := rand.New(rand.NewPCG(seed, 0))
	d := newDaemon(t)
	d.start()
	var killed atomic.Bool
	var wg sync.WaitGroup
	texts := &pool{}
	owners, sharers := []*owner{}, []*sharer{}
	for n := range uint64(3) {
		random := rand.New(rand.NewPCG(seed, n+1))
		owners = append(owners, &owner{repo: fmt.Sprintf("own-%d", n), random: random, texts: texts, killed: &killed})
	}
	for n := range uint64(2) {
		random := rand.New(rand.NewPCG(seed, n+100))
		sharers = append(sharers, &sharer{n: n, random: random, texts: texts, killed: &killed})
	}
	ctx, client := as(t.Context(), d.rootToken()), newTogether(d)
	if _, err := client.CreateRepo(ctx, &pb.CreateRepoRequest{Repo: repoOf(shared)}); err != nil {
		t.Fatal(err)
	}
	for round := range rounds {
		killed.Store(false)
		for _, o := range owners {
			wg.Go(func() { o.work(ctx, t, client) })
		}
		for _, s := range sharers {
			wg.Go(func() { s.work(ctx, t, client) })
		}
		timer := time.NewTimer(time.Duration(when.Int64N(int64(500 * time.Millisecond))))
		<-timer.C
		killed.Store(true)
		d.kill()
		wg.Wait()

		d.start()
		client = newTogether(d)
		for _, o := range owners {
			o.verify(ctx, t, client)
		}
		verifyShared(ctx, t, client, sharers)
		verifyStored(ctx, t, client)
		if t.Failed() {
			t.Fatalf("after kill %d", round+1)
		}
	}
	done, undone := 0, 0
	for _, o := range owners {
		done, undone = done+o.done, undone+o.undone
	}
	together := 0
	for _, s := range sharers {
		together += len(s.there)
	}
	t.Logf("%d kills: %d changes of one's own repository were acknowledged, %d were not and had not happened; %d were made to one that is shared", rounds, done, undone, together)
	if done == 0 || together == 0 {
		t.Error("nothing was acknowledged, so nothing was tested")
	}
	if strings.Contains(d.output.String(), "panic") {
		t.Errorf("pachd panicked:\n%s", d.output)
	}
}

func repoOf(name string) *pb.Repo { return &pb.Repo{Name: name, Type: "user"} }

func masterOf(repo string) *pb.Commit {
	return &pb.Commit{Repo: repoOf(repo), Branch: &pb.Branch{Repo: repoOf(repo), Name: "master"}}
}

// pool has contents that several clients write at the same time.
type pool struct {
	mu  sync.Mutex
	all []string
}

// text is new bytes, or now and then what was written elsewhere.
func (p *pool) text(random *rand.Rand) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.all) > 0 && random.IntN(4) == 0 {
		return p.all[random.IntN(len(p.all))]
	}
	size := random.IntN(4 << 10)
	switch n := random.IntN(100); {
	case n < 4:
		size = random.IntN(3 << 20)
	case n < 30:
		size = random.IntN(100 << 10)
	}
	data := make([]byte, size)
	key := [32]byte{}
	for n := range key {
		key[n] = byte(random.Uint32())
	}
	_, _ = rand.NewChaCha8(key).Read(data) // never fails
	if p.all = append(p.all, string(data)); len(p.all) > 20 {
		p.all = p.all[1:]
	}
	return string(data)
}

// files are what a commit holds, by path.
type files map[string]string

// made is a commit as its client knows it.
type made struct {
	id   string // "" if the answer did not come
	open bool
	files
}

// model is what a repository that one client has for itself holds, oldest commit first.
type model struct {
	exists  bool
	commits []made
}

func (m model) head() (head made) {
	if len(m.commits) > 0 {
		head = m.commits[len(m.commits)-1]
	}
	return head
}

// with is the model with another head, in place of the one there is or after it.
func (m model) with(head made, instead bool) model {
	all := slices.Clone(m.commits)
	if instead {
		all = all[:len(all)-1]
	}
	return model{exists: true, commits: append(all, head)}
}

// without is the model without a commit.
func (m model) without(n int) model {
	return model{exists: true, commits: slices.Delete(slices.Clone(m.commits), n, n+1)}
}

// owner changes a repository that nobody else changes.
type owner struct {
	repo         string
	random       *rand.Rand
	texts        *pool
	killed       *atomic.Bool
	now, next    model // next is what it is once the change under way has happened
	pending      bool
	done, undone int
}

// work makes changes until pachd is killed.
func (o *owner) work(ctx context.Context, t *testing.T, client pb.APIClient) {
	for !t.Failed() {
		next, do := o.choose(client)
		o.next, o.pending = next, true
		if err := do(ctx); err != nil {
			if !o.killed.Load() {
				t.Errorf("%s: %v", o.repo, err)
			}
			return
		}
		o.now, o.pending = o.next, false
		o.done++
	}
}

// choose is a change, and what there is after it.
func (o *owner) choose(client pb.APIClient) (next model, do func(context.Context) error) {
	m, commits, head := o.now, len(o.now.commits), o.now.head()
	if !m.exists {
		return model{exists: true}, func(ctx context.Context) error {
			_, err := client.CreateRepo(ctx, &pb.CreateRepoRequest{Repo: repoOf(o.repo)})
			return err
		}
	}
	n := o.random.IntN(100)
	if commits > 8 {
		n %= 40 // rather make it smaller
	}
	switch {
	case n < 2:
		return model{}, func(ctx context.Context) error {
			_, err := client.DeleteRepo(ctx, &pb.DeleteRepoRequest{Repo: repoOf(o.repo)})
			return err
		}
	case n < 16 && commits > 2 && !head.open:
		which := o.random.IntN(commits - 1)
		return m.without(which), func(ctx context.Context) error {
			_, err := client.SquashCommit(ctx, &pb.SquashCommitRequest{Commit: o.commit(which)})
			return err
		}
	case n < 22 && commits > 2:
		return m.without(commits - 1), func(ctx context.Context) error {
			_, err := client.DropCommit(ctx, &pb.DropCommitRequest{Commit: masterOf(o.repo)})
			return err
		}
	case n < 45 && head.open:
		return m.with(made{id: head.id, files: head.files}, true), func(ctx context.Context) error {
			_, err := client.FinishCommit(ctx, &pb.FinishCommitRequest{Commit: masterOf(o.repo)})
			return err
		}
	case n < 45:
		return m.with(made{open: true, files: head.files}, false), func(ctx context.Context) error {
			c, err := client.StartCommit(ctx, &pb.StartCommitRequest{Branch: masterOf(o.repo).GetBranch()})
			if err == nil {
				o.next.commits[commits].id = c.GetId()
			}
			return err
		}
	}
	changes, after := o.stream(head.files)
	return m.with(made{id: map[bool]string{true: head.id}[head.open], open: head.open, files: after}, head.open), func(ctx context.Context) error {
		return modify(ctx, client, masterOf(o.repo), changes)
	}
}

// commit names one by its id if that is known, or else by its ancestry.
func (o *owner) commit(n int) *pb.Commit {
	if id := o.now.commits[n].id; id != "" {
		return &pb.Commit{Repo: repoOf(o.repo), Id: id}
	}
	name := "master" + strings.Repeat("^", len(o.now.commits)-1-n)
	return &pb.Commit{Repo: repoOf(o.repo), Branch: &pb.Branch{Repo: repoOf(o.repo), Name: name}}
}

func adding(path, text string) (all []*pb.ModifyFileRequest) {
	for first := true; first || text != ""; first = false {
		n := min(len(text), 1<<20)
		all = append(all, &pb.ModifyFileRequest{Body: &pb.ModifyFileRequest_AddFile{AddFile: &pb.AddFile{
			Path: path, Source: &pb.AddFile_Raw{Raw: wrapperspb.Bytes([]byte(text[:n]))},
		}}})
		text = text[n:]
	}
	return all
}

func deleting(path string) *pb.ModifyFileRequest {
	return &pb.ModifyFileRequest{Body: &pb.ModifyFileRequest_DeleteFile{DeleteFile: &pb.DeleteFile{Path: path}}}
}

// stream is some changes of files, and what there is after them.
func (o *owner) stream(before files) (all []*pb.ModifyFileRequest, after files) {
	after = maps.Clone(before)
	if after == nil {
		after = files{}
	}
	dir := func() string { return fmt.Sprintf("/d%d/", o.random.IntN(4)) }
	for range 1 + o.random.IntN(6) {
		path := dir() + strconv.Itoa(o.random.IntN(6))
		switch n := o.random.IntN(100); {
		case n < 40: // overwrite
			text := o.texts.text(o.random)
			all, after[path] = append(append(all, deleting(path)), adding(path, text)...), text
		case n < 65: // append
			text := o.texts.text(o.random)
			all = append(all, adding(path, text)...)
			after[path] += text
		case n < 75:
			all = append(all, deleting(path))
			delete(after, path)
		case n < 80:
			gone := dir()
			all = append(all, deleting(gone))
			maps.DeleteFunc(after, func(p, _ string) bool { return strings.HasPrefix(p, gone) })
		case n < 90 && len(before) > 0: // a file, as it was before the stream
			from := slices.Sorted(maps.Keys(before))[o.random.IntN(len(before))]
			all, after[path] = append(all, o.copying(from, path)), before[from]
		case len(before) > 0: // a directory, as it was before the stream
			path := slices.Sorted(maps.Keys(before))[o.random.IntN(len(before))]
			from := path[:strings.LastIndex(path, "/")+1]
			to := fmt.Sprintf("/copy%d/", o.random.IntN(2))
			all = append(all, o.copying(from, to))
			maps.DeleteFunc(after, func(p, _ string) bool { return strings.HasPrefix(p, to) })
			for p, text := range before {
				if below, in := strings.CutPrefix(p, from); in {
					after[to+below] = text
				}
			}
		}
	}
	return all, after
}

func (o *owner) copying(from, to string) *pb.ModifyFileRequest {
	return &pb.ModifyFileRequest{Body: &pb.ModifyFileRequest_CopyFile{CopyFile: &pb.CopyFile{
		Dst: to, Src: &pb.File{Commit: masterOf(o.repo), Path: from},
	}}}
}

// together is a client that sends half of what it changes with many changes in a message.
type together struct {
	pb.APIClient

	data datapb.APIClient
}

func newTogether(d *daemon) pb.APIClient {
	conn := d.dial()
	return together{pb.NewAPIClient(conn), datapb.NewAPIClient(conn)}
}

func (c together) modify(ctx context.Context, changes []*pb.ModifyFileRequest) error {
	stream, err := c.data.ModifyFiles(ctx)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(changes, 1+rand.IntN(len(changes))) {
		if stream.Send(&datapb.ModifyFilesRequest{Changes: some}) != nil {
			break // CloseAndRecv says why
		}
	}
	_, err = stream.CloseAndRecv()
	return err
}

func modify(ctx context.Context, client pb.APIClient, to *pb.Commit, changes []*pb.ModifyFileRequest) error {
	changes = append([]*pb.ModifyFileRequest{{Body: &pb.ModifyFileRequest_SetCommit{SetCommit: to}}}, changes...)
	if c, ok := client.(together); ok && rand.IntN(2) == 0 {
		return c.modify(ctx, changes)
	}
	stream, err := client.ModifyFile(ctx)
	if err != nil {
		return err
	}
	for _, m := range changes {
		if stream.Send(m) != nil {
			break // CloseAndRecv says why
		}
	}
	_, err = stream.CloseAndRecv()
	return err
}

// verify reads the whole repository, which is as acknowledged, or as it is after the
// change that was under way.
func (o *owner) verify(ctx context.Context, t *testing.T, client pb.APIClient) {
	t.Helper()
	have, err := readRepo(ctx, client, o.repo)
	if err != nil {
		t.Errorf("%s cannot be read: %v", o.repo, err)
		return
	}
	wrong := o.now.differs(have)
	if o.pending {
		otherwise := o.next.differs(have)
		switch {
		case wrong == "":
			o.undone++
		case otherwise == "":
			wrong = ""
		default:
			wrong += "; nor is it as after the change under way: " + otherwise
		}
	}
	if wrong != "" {
		t.Errorf("%s is not as acknowledged: %s", o.repo, wrong)
	}
	o.now, o.pending = have, false
}

// differs says what is there otherwise, or "".
func (m model) differs(have model) string {
	if m.exists != have.exists || len(m.commits) != len(have.commits) {
		return fmt.Sprintf("%d commits in a repository that is there: %t, not %d: %t", len(have.commits), have.exists, len(m.commits), m.exists)
	}
	for n, want := range m.commits {
		got := have.commits[n]
		if want.id != "" && want.id != got.id || want.open != got.open {
			return fmt.Sprintf("commit %d is %s, open: %t, not %s, open: %t", n, got.id, got.open, want.id, want.open)
		}
		if !maps.Equal(want.files, got.files) {
			return fmt.Sprintf("commit %d, %s, has other files: %s", n, got.id, want.against(got.files))
		}
	}
	return ""
}

func (f files) against(got files) string {
	var out []string
	for path, text := range f {
		if other, is := got[path]; !is || other != text {
			out = append(out, fmt.Sprintf("%s: %d bytes, not %d (there: %t)", path, len(other), len(text), is))
		}
	}
	for path := range got {
		if _, is := f[path]; !is {
			out = append(out, path+" should not be there")
		}
	}
	return strings.Join(out, ", ")
}

// readRepo reads all commits of a repository with all their files.
func readRepo(ctx context.Context, client pb.APIClient, repo string) (m model, err error) {
	stream, err := client.ListCommit(ctx, &pb.ListCommitRequest{Repo: repoOf(repo), Reverse: true})
	if err != nil {
		return m, err
	}
	for {
		c, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			m.exists = true
			return m, nil
		case status.Code(err) == codes.NotFound:
			return model{}, nil
		case err != nil:
			return m, err
		}
		one := made{id: c.GetCommit().GetId(), open: c.GetFinished() == nil}
		if one.files, err = readCommit(ctx, client, &pb.Commit{Repo: repoOf(repo), Id: one.id}); err != nil {
			return m, fmt.Errorf("commit %s: %w", one.id, err)
		}
		m.commits = append(m.commits, one)
	}
}

func readCommit(ctx context.Context, client pb.APIClient, c *pb.Commit) (files, error) {
	stream, err := client.GetFileTAR(ctx, &pb.GetFileRequest{File: &pb.File{Commit: c, Path: "/"}})
	if err != nil {
		return nil, err
	}
	var data bytes.Buffer
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		data.Write(m.GetValue())
	}
	all := files{}
	for r := tar.NewReader(&data); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		text, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		all[h.Name] = string(text)
	}
}

// verifyStored reads every byte that is stored.
func verifyStored(ctx context.Context, t *testing.T, client pb.APIClient) {
	t.Helper()
	stream, err := client.Fsck(ctx, &pb.FsckRequest{})
	for err == nil {
		var problem *pb.FsckResponse
		if problem, err = stream.Recv(); err == nil {
			t.Errorf("fsck finds: %s", problem.GetError())
		}
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("fsck: %v", err)
	}
}

const shared = "shared"

// sharer puts pairs of files into a branch that others write to as well.
type sharer struct {
	n       uint64
	random  *rand.Rand
	texts   *pool
	killed  *atomic.Bool
	count   int
	there   files  // acknowledged, or found after a kill
	pending string // the pair under way
	text    string
}

func pair(name string) [2]string { return [2]string{"/" + name + "/first", "/" + name + "/second"} }

func (s *sharer) work(ctx context.Context, t *testing.T, client pb.APIClient) {
	if s.there == nil {
		s.there = files{}
	}
	for !t.Failed() {
		s.count++
		text := s.texts.text(s.random)
		s.pending, s.text = fmt.Sprintf("%d-%d", s.n, s.count), text[:min(len(text), 2000)] // there will be many
		both := pair(s.pending)
		if err := modify(ctx, client, masterOf(shared), append(adding(both[0], s.text), adding(both[1], s.text)...)); err != nil {
			if !s.killed.Load() {
				t.Errorf("%s: %v", s.pending, err)
			}
			return
		}
		s.there[s.pending], s.pending = s.text, ""
	}
}

// verifyShared finds what was acknowledged once each, and of the rest a pair or nothing.
func verifyShared(ctx context.Context, t *testing.T, client pb.APIClient, all []*sharer) {
	t.Helper()
	want := files{}
	got := files{}
	if _, err := client.InspectBranch(ctx, &pb.InspectBranchRequest{Branch: masterOf(shared).GetBranch()}); status.Code(err) != codes.NotFound {
		if got, err = readCommit(ctx, client, masterOf(shared)); err != nil {
			t.Errorf("%s cannot be read: %v", shared, err)
			return
		}
	}
	pairs := 0
	for _, s := range all {
		if s.pending != "" {
			if _, is := got[pair(s.pending)[0]]; is {
				s.there[s.pending] = s.text
			}
			s.pending = ""
		}
		for name, text := range s.there {
			for _, path := range pair(name) {
				want[path] = text
			}
			pairs++
		}
	}
	if !maps.Equal(want, got) {
		t.Errorf("%s is not as acknowledged: %s", shared, want.against(got))
	}
	commits := 0
	stream, err := client.ListCommit(ctx, &pb.ListCommitRequest{Repo: repoOf(shared)})
	for err == nil {
		if _, err = stream.Recv(); err == nil {
			commits++
		}
	}
	if !errors.Is(err, io.EOF) || commits != pairs {
		t.Errorf("%s has %d commits for %d streams: %v", shared, commits, pairs, err)
	}
}
