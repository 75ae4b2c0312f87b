package secret

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io/fs"

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

// keys are those of one place. All of them open; the primary seals.
type keys struct {
	data         []byte // as it was read
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

// Reload takes over a key that was changed, once its keys have opened what the
// database proves its keys with, and reports whether it did. The keys in use stay
// if it fails. Fault: Precondition.
func (s *Sealer) Reload(ctx context.Context, d values, key Place) (bool, error) {
	fresh, err := readKeys(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		err = fault.New(fault.Precondition, "the sealing key %s is missing", key).Next("restore it, before pachd starts again")
	}
	if err != nil {
		return false, err
	}
	check, err := d.Meta(ctx, checkKey)
	if err == nil {
		err = sealerOf(fresh).prove(key, check)
	}
	if err != nil {
		return false, err
	}
	changed := !bytes.Equal(fresh.data, s.keys.Load().data)
	if changed {
		s.keys.Store(fresh)
	}
	return changed, fresh.checkCurrent(key, check)
}

// checkCurrent refuses keys of which an older one seals than the database's, so that
// nobody could open what it seals once that key is removed.
func (k *keys) checkCurrent(key Place, check []byte) error {
	last, err := k.handle.Entry(k.handle.Len() - 1)
	if err != nil || last.IsPrimary() {
		return err
	}
	newest, err := alone(last.Key())
	if err != nil {
		return err
	}
	if _, err := newest.Decrypt(check, []byte(checkKey)); err != nil {
		return nil //nolint:nilerr // it is not in use yet
	}
	return fault.New(fault.Precondition, "%s seals with an older key than the database has in use", key).
		Next("copy the key from where pachd sealing-key use was run")
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

// AddKey puts a new key beside the one in use, which opens values and does not seal any
// until UseNewKey. Fault: Precondition if there are several already.
func AddKey(ctx context.Context, key Place) error {
	return change(ctx, key, func(k *keys, m *keyset.Manager) error {
		if k.handle.Len() > 1 {
			return fault.New(fault.Precondition, "the sealing key %s has a second key already", key).
				Next("go on with: pachd sealing-key use, or, if that is done, pachd sealing-key remove")
		}
		_, err := m.Add(aead.AES256GCMKeyTemplate())
		return err
	})
}

// UseNewKey has the key that AddKey has added seal; if it does so already it changes
// nothing. Fault: Precondition if there is none.
func UseNewKey(ctx context.Context, key Place) error {
	return change(ctx, key, func(k *keys, m *keyset.Manager) error {
		if k.handle.Len() < 2 {
			return fault.New(fault.Precondition, "the sealing key %s has no second key", key).
				Next("add one with: pachd sealing-key add")
		}
		last, err := k.handle.Entry(k.handle.Len() - 1)
		if err != nil {
			return err
		}
		return m.SetPrimary(last.KeyID())
	})
}

// RemoveOldKeys leaves the key that seals, and a copy of what was there in another
// place: what the other keys have sealed, that alone can open. Fault: Precondition
// if another copy is there, if there are no other keys, and if one is not in use yet.
func RemoveOldKeys(ctx context.Context, key, copied Place) error {
	return change(ctx, key, func(k *keys, m *keyset.Manager) error {
		last, err := k.handle.Entry(k.handle.Len() - 1)
		switch {
		case err != nil:
			return err
		case k.handle.Len() < 2:
			return fault.New(fault.Precondition, "the sealing key %s has no old key", key).Next("there is nothing to do")
		case !last.IsPrimary():
			return fault.New(fault.Precondition, "the second key of %s is not in use yet", key).
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
		kept, err := copied.Fill(ctx, k.data)
		if err == nil && !bytes.Equal(kept, k.data) { // or one that was interrupted here goes on
			err = fault.New(fault.Precondition, "%s exists", copied).Next("move it to where the dumps are that are sealed with its keys")
		}
		return err
	})
}

func change(ctx context.Context, key Place, f func(*keys, *keyset.Manager) error) error {
	k, err := readKeys(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Precondition, "the sealing key %s is missing", key).Next("check sealing.keyFile and --data-dir")
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
	data, err := encode(handle)
	if err != nil {
		return err
	}
	return key.Replace(ctx, k.data, data)
}

// readKeys takes a keyset that pachd has made, or 32 bytes in base64, as an operator
// makes them with openssl rand -base64 32.
func readKeys(ctx context.Context, key Place) (*keys, error) {
	data, err := key.Read(ctx)
	if err != nil {
		return nil, err
	}
	return parseKeys(data, key)
}

func parseKeys(data []byte, from Place) (_ *keys, err error) {
	k := &keys{data: data}
	if raw, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(data))); err == nil && len(raw) == 32 {
		k.handle, err = handleOf(raw)
		if err != nil {
			return nil, err
		}
	} else if k.handle, err = insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(data))); err != nil {
		return nil, notAKey(from, err)
	}
	if k.all, err = aead.New(k.handle); err != nil {
		return nil, notAKey(from, err)
	}
	primary, err := k.handle.Primary()
	if err != nil {
		return nil, notAKey(from, err)
	}
	k.primary, err = alone(primary.Key())
	return k, err
}

// alone seals and opens with one key.
func alone(k key.Key) (tink.AEAD, error) {
	handle, err := only(k)
	if err != nil {
		return nil, err
	}
	return aead.New(handle)
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

// encode makes text of a keyset, which is not sealed itself.
func encode(handle *keyset.Handle) ([]byte, error) {
	var buf bytes.Buffer
	err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&buf))
	return buf.Bytes(), err
}
