package codec

import (
	"bytes"
	"testing"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	datapb "pachyderm/api/data"
	pb "pachyderm/api/pfs"
)

func add(path, datum string, data []byte) *pb.ModifyFileRequest {
	return &pb.ModifyFileRequest{Body: &pb.ModifyFileRequest_AddFile{AddFile: &pb.AddFile{
		Path: path, Datum: datum, Source: &pb.AddFile_Raw{Raw: wrapperspb.Bytes(data)},
	}}}
}

func remove(path, datum string) *pb.ModifyFileRequest {
	return &pb.ModifyFileRequest{Body: &pb.ModifyFileRequest_DeleteFile{DeleteFile: &pb.DeleteFile{Path: path, Datum: datum}}}
}

func encoded(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// request is what a Message says, as protobuf has it.
func (m *Message) request() *pb.ModifyFileRequest {
	switch m.Kind {
	case Add:
		return add(m.Path, m.Datum, m.Data)
	case Delete:
		return remove(m.Path, m.Datum)
	}
	return m.Request
}

// agrees receives bytes, and compares that with what protobuf makes of them.
func agrees(t *testing.T, m *Message, b []byte) {
	t.Helper()
	want := &pb.ModifyFileRequest{}
	wrong := proto.Unmarshal(b, want)
	err := NewCodec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(b)}, m)
	if (err == nil) != (wrong == nil) {
		t.Fatalf("%x: %v, and not %v", b, err, wrong)
	}
	if err == nil && !proto.Equal(m.request(), want) {
		t.Fatalf("%x: %v, and not %v", b, m.request(), want)
	}
}

func TestMessage_KindsOfWhatClientsSend(t *testing.T) {
	url := &pb.ModifyFileRequest{Body: &pb.ModifyFileRequest_AddFile{AddFile: &pb.AddFile{
		Path: "/a", Source: &pb.AddFile_Url{Url: &pb.AddFile_URLSource{URL: "https://example.com"}},
	}}}
	m := &Message{}
	for _, c := range []struct {
		sent *pb.ModifyFileRequest
		kind Kind
	}{
		{&pb.ModifyFileRequest{Body: &pb.ModifyFileRequest_SetCommit{SetCommit: &pb.Commit{Id: "x"}}}, Other},
		{remove("/a/b", ""), Delete},
		{add("/a/b", "", []byte("text")), Add},
		{add("/a/b", "d1", bytes.Repeat([]byte("x"), 5000)), Add},
		{add("/a/c", "", nil), Add},
		{remove("/a/", "d2"), Delete},
		{url, Other},
		{add("/größe", "", []byte("1")), Other},
		{&pb.ModifyFileRequest{Body: &pb.ModifyFileRequest_CopyFile{CopyFile: &pb.CopyFile{Dst: "/a"}}}, Other},
		{&pb.ModifyFileRequest{}, Other},
	} {
		agrees(t, m, encoded(t, c.sent))
		if m.Kind != c.kind {
			t.Errorf("%v is of kind %d", c.sent, m.Kind)
		}
	}
}

// Forms that protobuf takes and our clients do not write are what protobuf makes of them.
func TestMessage_OtherForms(t *testing.T) {
	one, two := encoded(t, add("/a", "d", []byte("one"))), encoded(t, remove("/b", ""))
	field := func(n protowire.Number, body []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), body)
	}
	text := func(n protowire.Number, s string) []byte { return field(n, []byte(s)) }
	for name, b := range map[string][]byte{
		"twice":             append(bytes.Clone(one), one...),
		"another after it":  append(bytes.Clone(one), two...),
		"path twice":        field(addFile, append(text(path, "/a"), text(path, "/b")...)),
		"in another order":  field(addFile, append(field(raw, field(value, []byte("x"))), text(path, "/b")...)),
		"value twice":       field(addFile, append(text(path, "/a"), field(raw, append(field(value, []byte("x")), field(value, []byte("y"))...))...)),
		"no source":         field(addFile, text(path, "/a")),
		"unknown field":     field(deleteFile, append(text(path, "/a"), text(9, "x")...)),
		"no UTF-8":          field(deleteFile, text(path, "/\xff")),
		"cut off":           one[:len(one)-1],
		"a number":          {addFile << 3, 7},
		"empty":             field(deleteFile, nil),
		"empty texts":       field(deleteFile, append(text(path, ""), text(datum, "")...)),
		"a field behind it": append(bytes.Clone(two), 0x50, 1),
	} {
		t.Run(name, func(t *testing.T) { agrees(t, &Message{Path: "/b", Datum: "d", Data: []byte("before")}, b) })
	}
}

func FuzzMessage(f *testing.F) {
	for _, m := range []*pb.ModifyFileRequest{add("/a", "d", []byte("x")), remove("/a", ""), {}} {
		f.Add(encoded(f, m))
	}
	f.Fuzz(func(t *testing.T, b []byte) { agrees(t, &Message{Path: "/a"}, b) })
}

// batched receives bytes as a Batch, and compares that with what protobuf makes of them.
func batched(t *testing.T, b []byte) {
	t.Helper()
	want := &datapb.ModifyFilesRequest{}
	wrong := proto.Unmarshal(b, want)
	var batch Batch
	if err := NewCodec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(b)}, &batch); err != nil {
		t.Fatal(err)
	}
	got := &datapb.ModifyFilesRequest{}
	m := &Message{Path: "/b", Datum: "d", Data: []byte("before")}
	for {
		more, err := batch.Next(m)
		if err != nil && wrong == nil {
			t.Fatalf("%x: %v", b, err)
		}
		if err != nil {
			return
		}
		if !more {
			break
		}
		got.Changes = append(got.Changes, proto.CloneOf(m.request()))
	}
	want.ProtoReflect().SetUnknown(nil)
	if wrong != nil || !proto.Equal(got, want) {
		t.Fatalf("%x: %v, and not %v, %v", b, got, want, wrong)
	}
}

func TestBatch_ChangesAreWhatProtobufReads(t *testing.T) {
	both := encoded(t, &datapb.ModifyFilesRequest{Changes: []*pb.ModifyFileRequest{
		{Body: &pb.ModifyFileRequest_SetCommit{SetCommit: &pb.Commit{Id: "x"}}},
		remove("/a/b", ""), add("/a/b", "d", []byte("text")), add("/c", "", nil),
		{},
		remove("/größe", ""), add("/c", "", bytes.Repeat([]byte("x"), 5000)),
	}})
	unknown := protowire.AppendString(protowire.AppendTag(nil, 7, protowire.BytesType), "of a newer client")
	for name, b := range map[string][]byte{
		"nothing":              nil,
		"changes":              both,
		"cut off":              both[:len(both)-1],
		"unknown fields":       append(append(bytes.Clone(unknown), both...), unknown...),
		"a group":              append(append([]byte{0x3b}, unknown...), append([]byte{0x3c}, both...)...),
		"a number":             append([]byte{1 << 3, 7}, both...),
		"no such number":       {0xe0, 0xe0, 0xe0, 0xe0, 0x30, 1},
		"a tag of nothing":     append(bytes.Clone(both), 0),
		"one that is not read": append(bytes.Clone(both), 0x0a, 2, 0x0a, 9),
	} {
		t.Run(name, func(t *testing.T) { batched(t, b) })
	}
}

func FuzzBatch(f *testing.F) {
	f.Add(encoded(f, &datapb.ModifyFilesRequest{Changes: []*pb.ModifyFileRequest{add("/a", "d", []byte("x")), remove("/a", ""), {}}}))
	f.Fuzz(batched)
}

// Long bytes are sent from where they are, in the form that protobuf gives them.
func TestMarshal_LongBytesAreNotCopied(t *testing.T) {
	for _, length := range []int{0, 1, 100, 16<<10 - 1, 16 << 10, 2 << 20} {
		data := bytes.Repeat([]byte("x"), length)
		got, err := NewCodec().Marshal(wrapperspb.Bytes(data))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Materialize(), encoded(t, wrapperspb.Bytes(data))) {
			t.Errorf("%d bytes are sent otherwise", length)
		}
		if last := got[len(got)-1].ReadOnlyData(); length >= 16<<10 && &last[0] != &data[0] {
			t.Errorf("%d bytes are copied", length)
		}
	}
}
