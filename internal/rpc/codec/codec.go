package codec

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	messages "google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	pb "pachyderm/api/pfs"
	"pachyderm/internal/fault"
)

// Kind says what a Message asks for.
type Kind int

// The kinds.
const (
	Other  Kind = iota // what Request says
	Add                // add Data to the file of Path and Datum
	Delete             // delete the file of Path and Datum
)

// Message is a ModifyFileRequest. The zero one receives, over and over, by a stream's
// RecvMsg.
type Message struct {
	Kind        Kind
	Path, Datum string
	// Data is the message's until it receives the next one, or is freed.
	Data []byte
	// Request is what was sent, if that is nothing of the above or in a form of its own.
	Request *pb.ModifyFileRequest

	received mem.Buffer
}

// Batch is a ModifyFilesRequest. The zero one receives, over and over, by a stream's
// RecvMsg.
type Batch struct {
	received mem.Buffer
	rest     []byte
}

// Next has a Message be the next of the changes, or is false if there is none. Data of the
// Message is the Batch's, until that receives the next one or is freed. Fault: Invalid.
func (b *Batch) Next(m *Message) (bool, error) {
	for len(b.rest) > 0 {
		field, kind, n := protowire.ConsumeTag(b.rest)
		if n < 0 || field > protowire.MaxValidNumber {
			return false, errBroken
		}
		size := protowire.ConsumeFieldValue(field, kind, b.rest[n:])
		if size < 0 {
			return false, errBroken
		}
		value := b.rest[n : n+size]
		b.rest = b.rest[n+size:]
		if field != changes || kind != protowire.BytesType {
			continue // of a newer client's
		}
		body, _ := protowire.ConsumeBytes(value)
		m.Free()
		if m.read(body) != nil {
			return false, errBroken
		}
		return true, nil
	}
	return false, nil
}

var errBroken = fault.New(fault.Invalid, "a message cannot be read").Next("update the client")

// Free ends what the Data of its changes is in.
func (b *Batch) Free() {
	if b.received != nil {
		b.received.Free()
	}
	b.rest, b.received = nil, nil
}

// Free ends what Data is in.
func (m *Message) Free() {
	if m.received != nil {
		m.received.Free()
	}
	m.Data, m.received = nil, nil
}

// Codec is gRPC's own, but for what carries files: it receives a Message and a Batch too.
type Codec struct{ encoding.CodecV2 }

// NewCodec makes it.
func NewCodec() Codec { return Codec{encoding.GetCodecV2(proto.Name)} }

// Unmarshal is encoding.CodecV2's.
func (c Codec) Unmarshal(data mem.BufferSlice, v any) error {
	switch m := v.(type) {
	case *Message:
		m.Free()
		m.received = data.MaterializeToBuffer(mem.DefaultBufferPool())
		return m.read(m.received.ReadOnlyData())
	case *Batch:
		m.Free()
		m.received = data.MaterializeToBuffer(mem.DefaultBufferPool())
		m.rest = m.received.ReadOnlyData()
		return nil
	}
	return c.CodecV2.Unmarshal(data, v)
}

// Marshal is encoding.CodecV2's. Long bytes of a BytesValue are not copied: nobody may
// change them any more.
func (c Codec) Marshal(v any) (mem.BufferSlice, error) {
	const long = 16 << 10
	m, ok := v.(*wrapperspb.BytesValue)
	if !ok || len(m.GetValue()) < long {
		return c.CodecV2.Marshal(v)
	}
	head := protowire.AppendVarint(protowire.AppendTag(nil, value, protowire.BytesType), uint64(len(m.GetValue())))
	return mem.BufferSlice{mem.SliceBuffer(head), mem.SliceBuffer(m.GetValue())}, nil
}

// The numbers of fields in pfs.proto and data.proto.
const (
	changes             = 1    // of ModifyFilesRequest
	addFile, deleteFile = 2, 3 // of ModifyFileRequest
	path, datum, raw    = 1, 2, 3
	value               = 1 // of BytesValue
)

// read reads the forms that clients write, and leaves all others to protobuf.
func (m *Message) read(b []byte) error {
	field, body, rest := next(b)
	m.Request, m.Kind = nil, Other
	switch {
	case len(rest) > 0:
	case field == addFile && m.file(body, raw):
		m.Kind = Add
	case field == deleteFile && m.file(body, datum):
		m.Kind = Delete
	}
	if m.Kind != Other {
		return nil
	}
	m.Path, m.Datum, m.Data = "", "", nil
	m.Request = &pb.ModifyFileRequest{}
	return messages.Unmarshal(b, m.Request)
}

// next is the next field, if it is one with a length, and what follows; field 0 if not.
func next(b []byte) (field protowire.Number, body, rest []byte) {
	field, kind, n := protowire.ConsumeTag(b)
	if n < 0 || kind != protowire.BytesType {
		return 0, nil, nil
	}
	body, size := protowire.ConsumeBytes(b[n:])
	if size < 0 {
		return 0, nil, nil
	}
	return field, body, b[n+size:]
}

// file reads fields up to a last one, each once at most and in this order. It is false
// for anything else.
func (m *Message) file(b []byte, last protowire.Number) bool {
	seen := protowire.Number(0)
	var texts [datum + 1][]byte
	m.Data = nil
	for len(b) > 0 {
		field, body, rest := next(b)
		if field <= seen || field > last {
			return false
		}
		seen, b = field, rest
		if field != raw {
			texts[field] = body
			continue
		}
		if len(body) > 0 {
			inner, data, after := next(body)
			if inner != value || len(after) > 0 {
				return false
			}
			m.Data = data
		}
	}
	return seen > 0 && (last != raw || seen == raw) && keep(&m.Path, texts[path]) && keep(&m.Datum, texts[datum])
}

// keep has a text be so many bytes, which are ASCII or it is false. A file's two messages
// have one path.
func keep(text *string, b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	if *text != string(b) {
		*text = string(b)
	}
	return true
}
