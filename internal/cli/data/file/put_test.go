package file

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"pachyderm/api/pfs"
	"pachyderm/internal/cli/kit"
)

// kept is a stream that looks at its messages once more when all have been sent, as a
// stream may.
type kept struct {
	pfs.API_ModifyFileClient
	all []*pfs.ModifyFileRequest
}

func (s *kept) Send(m *pfs.ModifyFileRequest) error {
	s.all = append(s.all, m)
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
	var got [][]byte
	for _, m := range s.all {
		if m.GetDeleteFile() != nil {
			got = append(got, nil)
			continue
		}
		data := m.GetAddFile().GetRaw().GetValue()
		if len(data) > piece {
			t.Errorf("a piece of %d bytes", len(data))
		}
		if cap(data) > 2*len(data)+64 && len(data) < piece-1 {
			t.Errorf("%d bytes hold memory of %d", len(data), cap(data))
		}
		got[len(got)-1] = append(got[len(got)-1], data...)
	}
	if !slices.EqualFunc(got, files, bytes.Equal) {
		t.Error("what was sent is not what was read")
	}
}
