package file

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"pachyderm/api/data"
	"pachyderm/api/pfs"
	"pachyderm/internal/cli/kit"
)

// kept is a stream that looks at its messages once more when all have been sent, as a
// stream may.
type kept struct {
	data.API_ModifyFilesClient
	all []*pfs.ModifyFileRequest
}

func (s *kept) Send(m *data.ModifyFilesRequest) error {
	s.all = append(s.all, m.GetChanges()...)
	return nil
}

func TestUpload_PiecesStayAsTheyWereSent(t *testing.T) {
	s := &kept{}
	u := &upload{stream: s, progress: newProgress(&kit.Kit{Stderr: &bytes.Buffer{}, Now: time.Now}, 1)}
	lengths := []int{4096, 0, 2*piece + 5, piece, 1, piece - 1}
	var files [][]byte
	for n, length := range lengths {
		files = append(files, bytes.Repeat([]byte{byte(n + 1)}, length))
		if err := u.put(content{name: "x", path: "/x", r: bytes.NewReader(files[n])}); err != nil {
			t.Fatal(err)
		}
	}
	if err := u.flush(); err != nil {
		t.Fatal(err)
	}
	var got [][]byte
	for _, m := range s.all {
		if m.GetDeleteFile() != nil {
			got = append(got, nil)
			continue
		}
		part := m.GetAddFile().GetRaw().GetValue()
		if len(part) > piece {
			t.Errorf("a piece of %d bytes", len(part))
		}
		if cap(part) > 2*len(part)+64 && len(part) < piece-1 {
			t.Errorf("%d bytes hold memory of %d", len(part), cap(part))
		}
		got[len(got)-1] = append(got[len(got)-1], part...)
	}
	if !slices.EqualFunc(got, files, bytes.Equal) {
		t.Error("what was sent is not what was read")
	}
}
