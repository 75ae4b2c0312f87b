package pachd_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"pachyderm/api/pfs"
	"pachyderm/internal/db"
	"pachyderm/internal/pachd/pachdtest"
)

// A start deletes the file sets that have expired, as every hour after it does.
func TestSweep_DeletesExpiredFileSets(t *testing.T) {
	dir := t.TempDir()
	s := pachdtest.StartIn(t, dir)
	stream, err := s.API.PFS.CreateFileSet(s.Root())
	if err != nil {
		t.Fatal(err)
	}
	err = stream.Send(&pfs.ModifyFileRequest{Body: &pfs.ModifyFileRequest_AddFile{AddFile: &pfs.AddFile{
		Path: "/a", Source: &pfs.AddFile_Raw{Raw: wrapperspb.Bytes([]byte("one"))},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.CloseAndRecv(); err != nil {
		t.Fatal(err)
	}
	count := func(s *pachdtest.Server) (n int) {
		t.Helper()
		err := s.DB.View(t.Context(), func(tx *db.Tx) error { return tx.Row(t.Context(), []any{&n}, `SELECT COUNT(*) FROM file_sets`) })
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := count(s); n != 1 {
		t.Fatalf("there are %d", n)
	}
	s.Stop()
	later := pachdtest.StartAhead(t, time.Hour, dir)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for count(later) > 0 { // it is done beside the first calls
		if ctx.Err() != nil {
			t.Fatal("it is there still")
		}
	}
}
