package secret

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/aesgcm"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/insecuresecretdataaccess"
	"github.com/tink-crypto/tink-go/v2/key"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/secretdata"
	"github.com/tink-crypto/tink-go/v2/tink"

	"pachyderm/internal/fault"
)

// keys are those of one key file. All of them open; the primary seals.
type keys struct {
	file         []byte // as it was read
	handle       *keyset.Handle
	all, primary tink.AEAD
}

// Sealed says where a table has sealed values, and for which places.
type Sealed struct {
	Table, Column string
	Key           []string // the columns of its primary key, which are text
	Plain         []string // of the first of them, those whose value is not sealed
	// Place is what the value of a row is sealed for.
	Place func(key []string) string
}

// Reload takes over a key file that was changed, once its keys have opened what the
// database proves its keys with, and reports whether it did. The keys in use stay
// if it fails. Fault: Precondition.
func (s *Sealer) Reload(ctx context.Context, d values, keyFile string) (bool, error) {
	fresh, err := readKeys(keyFile)
	if errors.Is(err, fs.ErrNotExist) {
		err = fault.New(fault.Precondition, "the sealing key %s is missing", keyFile).Next("restore it, before pachd starts again")
	}
	if err != nil || bytes.Equal(fresh.file, s.keys.Load().file) {
		return false, err
	}
	check, err := d.Meta(ctx, checkKey)
	if _, err := proven(keyFile, check, err); err != nil {
		return false, err
	}
	s.keys.Store(fresh)
	return true, nil
}

// SealAnew seals with the primary key what another one has sealed for a place; done
// is false if the primary has sealed it already.
func (s *Sealer) SealAnew(sealed []byte, place string) (anew []byte, done bool, err error) {
	k := s.keys.Load()
	if _, err := k.primary.Decrypt(sealed, []byte(place)); err == nil {
		return nil, false, nil
	}
	plain, err := s.Open(sealed, place)
	if err != nil {
		return nil, false, err
	}
	anew, err = s.Seal(plain, place)
	return anew, err == nil, err
}

// AddKey puts a new key into a key file, which opens values and does not seal any
// until UseNewKey. Fault: Precondition if there are several already.
func AddKey(keyFile string) error {
	return change(keyFile, func(k *keys, m *keyset.Manager) error {
		if k.handle.Len() > 1 {
			return fault.New(fault.Precondition, "the sealing key %s has a second key already", keyFile).
				Next("go on with: pachd sealing-key use, or, if that is done, pachd sealing-key remove")
		}
		_, err := m.Add(aead.AES256GCMKeyTemplate())
		return err
	})
}

// UseNewKey has the key that AddKey has added seal; if it does so already it changes
// nothing. Fault: Precondition if there is none.
func UseNewKey(keyFile string) error {
	return change(keyFile, func(k *keys, m *keyset.Manager) error {
		if k.handle.Len() < 2 {
			return fault.New(fault.Precondition, "the sealing key %s has no second key", keyFile).
				Next("add one with: pachd sealing-key add")
		}
		last, err := k.handle.Entry(k.handle.Len() - 1)
		if err != nil {
			return err
		}
		return m.SetPrimary(last.KeyID())
	})
}

// RemoveOldKeys leaves the key that seals, and a copy of the file as it was in
// oldFile: what the other keys have sealed, that alone can open. Fault: Precondition
// if there is an oldFile, if there are no other keys, and if one is not in use yet.
func RemoveOldKeys(keyFile, oldFile string) error {
	if _, err := os.Lstat(oldFile); err == nil {
		return fault.New(fault.Precondition, "%s exists", oldFile).Next("move it to where the dumps are that are sealed with its keys")
	}
	return change(keyFile, func(k *keys, m *keyset.Manager) error {
		last, err := k.handle.Entry(k.handle.Len() - 1)
		switch {
		case err != nil:
			return err
		case k.handle.Len() < 2:
			return fault.New(fault.Precondition, "the sealing key %s has no old key", keyFile).Next("there is nothing to do")
		case !last.IsPrimary():
			return fault.New(fault.Precondition, "the second key of %s is not in use yet", keyFile).
				Next("use it first, with: pachd sealing-key use")
		}
		for n := range k.handle.Len() - 1 {
			old, err := k.handle.Entry(n)
			if err != nil {
				return err
			}
			if err := m.Delete(old.KeyID()); err != nil {
				return err
			}
		}
		return WriteFile(oldFile, k.file)
	})
}

func change(keyFile string, f func(*keys, *keyset.Manager) error) error {
	k, err := readKeys(keyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Precondition, "the sealing key %s is missing", keyFile).Next("check sealing.keyFile and --data-dir")
	}
	if err != nil {
		return err
	}
	m := keyset.NewManagerFromHandle(k.handle)
	if err := f(k, m); err != nil {
		return err
	}
	handle, err := m.Handle()
	if err != nil {
		return err
	}
	return writeKeys(keyFile, handle)
}

// readKeys takes a keyset that pachd has made, or 32 bytes in base64, as an operator
// makes them with openssl rand -base64 32.
func readKeys(path string) (*keys, error) {
	data, err := ReadFile("sealing key", path)
	if err != nil {
		return nil, err
	}
	k := &keys{file: data}
	if raw, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(data))); err == nil && len(raw) == 32 {
		k.handle, err = handleOf(raw)
		if err != nil {
			return nil, err
		}
	} else if k.handle, err = insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(data))); err != nil {
		return nil, notAKey(path, err)
	}
	if k.all, err = aead.New(k.handle); err != nil {
		return nil, notAKey(path, err)
	}
	primary, err := k.handle.Primary()
	if err != nil {
		return nil, notAKey(path, err)
	}
	alone, err := only(primary.Key())
	if err != nil {
		return nil, err
	}
	k.primary, err = aead.New(alone)
	return k, err
}

// handleOf makes a keyset of the bytes of one key. What it seals has no prefix that
// names the key.
func handleOf(raw []byte) (*keyset.Handle, error) {
	parameters, err := aesgcm.NewParameters(aesgcm.ParametersOpts{
		KeySizeInBytes: len(raw), IVSizeInBytes: 12, TagSizeInBytes: 16, Variant: aesgcm.VariantNoPrefix,
	})
	if err != nil {
		return nil, err
	}
	k, err := aesgcm.NewKey(secretdata.NewBytesFromData(raw, insecuresecretdataaccess.Token{}), 0, parameters)
	if err != nil {
		return nil, err
	}
	return only(k)
}

// only is the keyset of one key.
func only(k key.Key) (*keyset.Handle, error) {
	m := keyset.NewManager()
	id, err := m.AddKey(k)
	if err == nil {
		err = m.SetPrimary(id)
	}
	if err != nil {
		return nil, err
	}
	return m.Handle()
}

// writeKeys writes a key file.
func writeKeys(path string, handle *keyset.Handle) error {
	var buf bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&buf)); err != nil {
		return err
	}
	if err := WriteFile(path, buf.Bytes()); err != nil {
		return fault.New(fault.Precondition, "cannot write the sealing key %s", path).
			Next("set --data-dir to a directory that pachd may write").Because(err)
	}
	return nil
}
