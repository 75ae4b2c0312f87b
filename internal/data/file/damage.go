package file

import (
	"io"

	"pachyderm/internal/data/pack"
	"pachyderm/internal/fault"
)

// spoiled says of damage what it means to whoever reads or writes files; where it lies
// is for the log, and for fsck.
func spoiled(err error, what string) error {
	if !fault.Is(err, fault.Damaged) {
		return err
	}
	return fault.New(fault.Damaged, "%s is damaged in the store", what).
		Next("ask an administrator to run \"pachctl fsck\", which says what to restore").Because(err)
}

// Bytes reads a file, and says which one it is when its bytes are not as they were.
type Bytes struct {
	*pack.Reader
	what string
}

// Read is io.Reader's.
func (b *Bytes) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF { //nolint:errorlint // as it has to be
		return n, err
	}
	return n, spoiled(err, b.what)
}

// WriteTo is io.WriterTo's. What it writes nobody changes, ever: w may keep it.
func (b *Bytes) WriteTo(w io.Writer) (int64, error) {
	n, err := b.Reader.WriteTo(w)
	return n, spoiled(err, b.what)
}
