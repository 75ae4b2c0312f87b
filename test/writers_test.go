package test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	pfspb "pachyderm/api/pfs"
)

// What many streams of one writer may have in memory, in MiB, when pachd is told to do
// with 512: without a bound they took 35 each.
const mostOfWriters = 576

// Streams that are held open cost no more memory than there is for all of them, whoever
// has begun goes on, and nobody else is kept from writing.
func TestAbuse_WritersHoldLittle(t *testing.T) {
	const streams, rounds, piece = 100, 3, 1 << 20
	d := newDaemon(t, "GOMEMLIMIT=512MiB")
	d.start()
	s := &siege{daemon: d, t: t, answers: map[string]int{}}
	ctx, r := as(t.Context(), d.rootToken()), &pfspb.Repo{Name: "r"}
	c := pfspb.NewAPIClient(d.dial())
	if _, err := c.CreateRepo(ctx, &pfspb.CreateRepoRequest{Repo: r}); err != nil {
		t.Fatal(err)
	}
	before, _ := s.memory()
	at := func(k int) *pfspb.Commit {
		return &pfspb.Commit{Repo: r, Branch: &pfspb.Branch{Repo: r, Name: fmt.Sprintf("b%d", k)}}
	}
	noise := rand.NewChaCha8([32]byte{})
	add := func() *pfspb.ModifyFileRequest {
		data := make([]byte, piece)
		_, _ = io.ReadFull(noise, data) // never fails
		return &pfspb.ModifyFileRequest{Body: &pfspb.ModifyFileRequest_AddFile{AddFile: &pfspb.AddFile{
			Path: "/file", Source: &pfspb.AddFile_Raw{Raw: wrapperspb.Bytes(data)},
		}}}
	}
	var all []pfspb.API_ModifyFileClient
	for k := range streams { // from one goroutine, in turn
		stream, err := c.ModifyFile(ctx)
		if err == nil {
			err = stream.Send(&pfspb.ModifyFileRequest{Body: &pfspb.ModifyFileRequest_SetCommit{SetCommit: at(k)}})
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, stream)
	}
	for range rounds {
		for _, stream := range all {
			for range 2 {
				if err := stream.Send(add()); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	_, most := s.memory()
	t.Logf("%d streams: %.0f to %.0f MiB", streams, before, most)
	if most > mostOfWriters {
		t.Errorf("%d streams take %.0f MiB", streams, most)
	}
	other, err := c.ModifyFile(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*pfspb.ModifyFileRequest{{Body: &pfspb.ModifyFileRequest_SetCommit{SetCommit: at(streams)}}, add(), add()} {
		if err := other.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := other.CloseAndRecv(); err != nil {
		t.Errorf("another writes: %v", err)
	}
	var together sync.WaitGroup
	for k, stream := range all {
		together.Go(func() {
			if _, err := stream.CloseAndRecv(); err != nil {
				t.Errorf("%d: %v", k, err)
				return
			}
			f, err := c.InspectFile(ctx, &pfspb.InspectFileRequest{File: &pfspb.File{Commit: at(k), Path: "/file"}})
			if err != nil || f.GetSizeBytes() != 2*rounds*piece {
				t.Errorf("%d: %d bytes, %v", k, f.GetSizeBytes(), err)
			}
		})
	}
	together.Wait()
}
