package blob

import (
	"context"
	"iter"
	"strings"
	"time"

	"pachyderm/internal/fault"
)

// maxName is how long a name may be, in bytes.
const maxName = 200

// Object is what is known of an object without reading it.
type Object struct {
	Name string
	// Size is in bytes.
	Size int64
	// Modified is when it was written, by the store's clock.
	Modified time.Time
}

// Store keeps objects by name. It is safe for concurrent use, by several processes
// too. What cannot be reached is a fault Unavailable, a full store Exhausted, a name
// that CheckName refuses Invalid.
type Store interface {
	// Put writes an object, whole or not at all; it is durable when Put returns. A name
	// is written once, or again with the same bytes after a Put that has failed.
	Put(ctx context.Context, name string, data []byte) error
	// Get reads exactly so many bytes from an offset. Fault: NotFound, Internal if the
	// object ends before. The bytes are the caller's.
	Get(ctx context.Context, name string, offset, length int64) ([]byte, error)
	// Head describes an object. Fault: NotFound.
	Head(ctx context.Context, name string) (Object, error)
	// Delete removes an object for good; one that is not there is no error.
	Delete(ctx context.Context, name string) error
	// List is the objects whose names begin with a prefix, in the order of the names'
	// bytes. It ends with the first error.
	List(ctx context.Context, prefix string) iter.Seq2[Object, error]
	// Check reports whether the store is there and can be written to.
	Check(ctx context.Context) error
}

// CheckName refuses what is no name of an object: one to 200 of a-z, 0-9, "_", "-"
// and "/", which does not begin or end with "/" or have two in a row. Fault: Invalid.
func CheckName(name string) error {
	slashes := strings.HasPrefix(name, "/") || strings.HasSuffix(name, "/") || strings.Contains(name, "//")
	if name == "" || len(name) > maxName || slashes || !plain(name) {
		return fault.New(fault.Invalid, "%q is no name of an object", fault.Clean(name, maxName)).
			Next("use a-z, 0-9, _, - and / between them, %d bytes at most", maxName)
	}
	return nil
}

// CheckPrefix refuses what no name can begin with. Fault: Invalid.
func CheckPrefix(prefix string) error {
	if !plain(prefix) {
		return fault.New(fault.Invalid, "no name of an object begins with %q", fault.Clean(prefix, maxName))
	}
	return nil
}

func plain(name string) bool {
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' && c != '/' {
			return false
		}
	}
	return true
}

// CheckRange refuses a part that no object can have. Fault: Invalid.
func CheckRange(offset, length int64) error {
	if offset < 0 || length < 0 || offset+length < 0 {
		return fault.New(fault.Invalid, "an object has no %d bytes from %d", length, offset)
	}
	return nil
}

// Missing is the fault of an object that is not there.
func Missing(name string) *fault.Error {
	return fault.New(fault.NotFound, "the store has no object %s", name)
}

// Short is the fault of an object that ends before what was to be read of it.
func Short(name string, offset, length int64) *fault.Error {
	return fault.New(fault.Internal, "the object %s ends before byte %d", name, offset+length).
		Next("restore it from a copy of the store")
}
