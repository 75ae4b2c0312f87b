package secret

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/streamingaead"

	"pachyderm/internal/fault"
)

// maxStreamKey is more than the sealed key of a stream is long, in bytes.
const maxStreamKey = 4 << 10

// SealTo seals what is written to the returned writer, of any length, for the given
// place, and writes it to w: a key of its own, sealed as Seal does, and segments of
// 1 MiB (Tink's AES256-GCM-HKDF). What w has before Close is not the whole, and
// OpenFrom refuses it.
func (s *Sealer) SealTo(w io.Writer, place string) (io.WriteCloser, error) {
	handle, err := keyset.NewHandle(streamingaead.AES256GCMHKDF1MBKeyTemplate())
	if err != nil {
		return nil, err
	}
	var key bytes.Buffer
	if err := handle.WriteWithAssociatedData(keyset.NewBinaryWriter(&key), s.keys.Load().all, []byte(place)); err != nil {
		return nil, err
	}
	if err := binary.Write(w, binary.BigEndian, uint32(key.Len())); err != nil { //nolint:gosec // some hundred bytes
		return nil, err
	}
	if _, err := w.Write(key.Bytes()); err != nil {
		return nil, err
	}
	stream, err := streamingaead.New(handle)
	if err != nil {
		return nil, err
	}
	return stream.NewEncryptingWriter(w, []byte(place))
}

// OpenFrom reads what SealTo has written for the same place. Every byte that is
// read is one that was sealed; that it is the whole is sure at io.EOF, and not
// before. Fault: Invalid for what another key has sealed, for another place, or
// nobody.
func (s *Sealer) OpenFrom(r io.Reader, place string) (io.Reader, error) {
	foreign := fault.New(fault.Invalid, "it was not sealed with this sealing key, or its beginning is damaged").
		Next("use the sealing key that it was made with")
	var size uint32
	if err := binary.Read(r, binary.BigEndian, &size); err != nil || size > maxStreamKey {
		return nil, foreign.Because(err)
	}
	key := make([]byte, size)
	if _, err := io.ReadFull(r, key); err != nil {
		return nil, foreign.Because(err)
	}
	handle, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(bytes.NewReader(key)), s.keys.Load().all, []byte(place))
	if err != nil {
		return nil, foreign.Because(err)
	}
	stream, err := streamingaead.New(handle)
	if err != nil {
		return nil, foreign.Because(err)
	}
	return stream.NewDecryptingReader(r, []byte(place))
}
