package secret

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"pachyderm/internal/fault"
)

// checkKey names the value in the database that only the right key opens.
const checkKey = "sealing-check"

// values is where the proof of the key is kept: the database that it seals for.
type values interface {
	Meta(ctx context.Context, key string) ([]byte, error)
	EnsureMeta(ctx context.Context, key string, value []byte) ([]byte, error)
}

// Sealer seals and opens values. It is safe for concurrent use.
type Sealer struct{ keys atomic.Pointer[keys] }

// Seal encrypts plain for the given place, such as "connector/auth0".
func (s *Sealer) Seal(plain []byte, place string) ([]byte, error) {
	return s.keys.Load().all.Encrypt(plain, []byte(place))
}

// Open decrypts what Seal made for the same place.
func (s *Sealer) Open(sealed []byte, place string) ([]byte, error) {
	plain, err := s.keys.Load().all.Decrypt(sealed, []byte(place))
	if err != nil {
		return nil, fmt.Errorf("open the sealed value of %s: %w", place, err)
	}
	return plain, nil
}

// Place is where the sealing key is kept; it prints as an operator would look for it.
type Place interface {
	fmt.Stringer
	// Read returns the key. A place that has none yet is fs.ErrNotExist.
	Read(ctx context.Context) ([]byte, error)
	// Fill keeps a key where there is none, and returns the one that is kept: of
	// several writers all get that of the first.
	Fill(ctx context.Context, key []byte) ([]byte, error)
	// Replace keeps another key where the old one is; where that is not, it fails.
	Replace(ctx context.Context, old, key []byte) error
}

// File is the path of a key file.
type File string

func (f File) String() string { return string(f) }

// Read reads the file, as ReadFile.
func (f File) Read(context.Context) ([]byte, error) { return ReadFile("sealing key", string(f)) }

// Fill writes the file, if it is not there.
func (f File) Fill(ctx context.Context, key []byte) (kept []byte, err error) {
	err = f.alone(func() error {
		if kept, err = f.Read(ctx); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		kept = key
		return f.write(key)
	})
	return kept, err
}

// Replace writes the file if it has the old key. Fault: Precondition.
func (f File) Replace(ctx context.Context, old, key []byte) error {
	return f.alone(func() error {
		now, err := f.Read(ctx)
		if err == nil && bytes.Equal(now, old) {
			return f.write(key)
		}
		return fault.New(fault.Precondition, "%s was changed by somebody else", f).Next("see who did, and try again").Because(err)
	})
}

// alone has one writer after another in the directory of the file.
func (f File) alone(write func() error) error {
	free, err := lockDir(filepath.Dir(string(f)))
	if err != nil {
		return f.unwritable(err)
	}
	defer free()
	return write()
}

func (f File) write(key []byte) error {
	if err := WriteFile(string(f), key); err != nil {
		return f.unwritable(err)
	}
	return nil
}

func (f File) unwritable(err error) error {
	return fault.New(fault.Precondition, "cannot write the sealing key %s", f).
		Next("set --data-dir to a directory that pachd may write").Because(err)
}

// OpenFor returns the sealer for a database: it reads the key, or makes one for
// a database that has none yet, and proves that the key is the one the database
// was written with. A key that is missing or wrong is a fault: a new one would
// make every stored secret unreadable.
func OpenFor(ctx context.Context, d values, key Place) (*Sealer, error) {
	check, err := d.Meta(ctx, checkKey)
	if !fault.Is(err, fault.NotFound) {
		return proven(ctx, key, check, err)
	}
	s, err := OpenKey(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		s, err = makeKey(ctx, key)
	}
	if err != nil {
		return nil, err
	}
	sealed, err := s.Seal([]byte(checkKey), checkKey)
	if err != nil {
		return nil, err
	}
	check, err = d.EnsureMeta(ctx, checkKey, sealed)
	return proven(ctx, key, check, err)
}

// OpenUsed is OpenFor that changes nothing: a database that no pachd has started on
// is a fault, too.
func OpenUsed(ctx context.Context, d values, key Place) (*Sealer, error) {
	check, err := d.Meta(ctx, checkKey)
	if fault.Is(err, fault.NotFound) {
		return nil, fault.New(fault.Precondition, "no pachd has started on the database yet").
			Next("check database.url and --data-dir")
	}
	return proven(ctx, key, check, err)
}

// ifLost says what becomes of a database whose key is nowhere.
const ifLost = "without it connectors, OIDC clients and signing keys are lost, roles and robots' tokens are not: " +
	"docs/guides/backup.md says how to go on"

// proven is the sealer of a key if it opens what the right one has sealed.
func proven(ctx context.Context, key Place, check []byte, err error) (*Sealer, error) {
	if err != nil {
		return nil, err
	}
	s, err := OpenKey(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Precondition, "the sealing key %s is missing", key).
			Next("restore it from a backup; %s", ifLost).Because(err)
	}
	if err != nil {
		return nil, err
	}
	if err := s.prove(key, check); err != nil {
		return nil, err
	}
	return s, nil
}

// prove opens what the right key has sealed. Fault: Precondition.
func (s *Sealer) prove(key Place, check []byte) error {
	if _, err := s.Open(check, checkKey); err != nil {
		return fault.New(fault.Precondition, "the sealing key %s is not the one that this database was written with", key).
			Next("restore the right one; %s", ifLost).Because(err)
	}
	return nil
}

// OpenKey is the sealer of a key. A place that has none is fs.ErrNotExist.
func OpenKey(ctx context.Context, key Place) (*Sealer, error) {
	k, err := readKeys(ctx, key)
	if err != nil {
		return nil, err
	}
	return sealerOf(k), nil
}

func sealerOf(k *keys) *Sealer {
	s := &Sealer{}
	s.keys.Store(k)
	return s
}

func notAKey(key Place, err error) error {
	return fault.New(fault.Precondition, "%s is not a sealing key", key).
		Next("restore what pachd made, or make 32 bytes with: openssl rand -base64 32").Because(err)
}

// makeKey fills a place with a new key.
func makeKey(ctx context.Context, place Place) (*Sealer, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, err
	}
	data, err := encode(handle)
	if err != nil {
		return nil, err
	}
	kept, err := place.Fill(ctx, data)
	if err != nil {
		return nil, err
	}
	k, err := parseKeys(kept, place)
	if err != nil {
		return nil, err
	}
	return sealerOf(k), nil
}

// ReadFile reads what WriteFile, or an operator, has put into a file, if nobody
// but its owner can read or write it and that is pachd's user or root, or root has
// let pachd's group read it (mode 0440): what another user has put there is their
// secret. Windows has no such modes. Faults: Precondition; a file that is not there
// is fs.ErrNotExist.
func ReadFile(what, path string) ([]byte, error) {
	unreadable := func(err error) error {
		return fault.New(fault.Precondition, "cannot read the %s %s", what, path).
			Next("check its owner and mode").Because(err)
	}
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		return nil, unreadable(err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, unreadable(err)
	}
	if err := checkOwner(what, path, info); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(f)
	if err != nil {
		return nil, unreadable(err)
	}
	return data, nil
}

// WriteFile stores data readable by the owner alone: the whole of it, on disk,
// or nothing.
func WriteFile(path string, data []byte) error {
	return WriteFileBy(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// WriteFileBy is WriteFile of what write writes.
func WriteFileBy(path string, write func(io.Writer) error) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".new-*") // made with mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}
