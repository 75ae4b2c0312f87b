package pagetoken

import (
	"encoding/base64"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
)

// Tokens seals them.
type Tokens struct{ Sealer *secret.Sealer }

func place(method string) string { return "page of " + method }

// Open puts the key of a list in the place of the token in a request, if it has one.
// Fault: Invalid for one that this method has not given.
func (t Tokens) Open(method string, req any) error {
	list, ok := req.(interface {
		proto.Message
		GetPageToken() string
	})
	if !ok || list.GetPageToken() == "" {
		return nil
	}
	key, err := t.open(method, list.GetPageToken())
	if err != nil {
		return fault.New(fault.Invalid, "the page token is not one that this list has given").
			Next("leave it out to begin anew, or hand back next_page_token as it is").At("page_token").Because(err)
	}
	set(list, "page_token", key)
	return nil
}

func (t Tokens) open(method, token string) (string, error) {
	sealed, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return "", err
	}
	key, err := t.Sealer.Open(sealed, place(method))
	return string(key), err
}

// Seal puts a token in the place of the key that a response ends with, if it has one.
func (t Tokens) Seal(method string, resp any) error {
	list, ok := resp.(interface {
		proto.Message
		GetNextPageToken() string
	})
	if !ok || list.GetNextPageToken() == "" {
		return nil
	}
	sealed, err := t.Sealer.Seal([]byte(list.GetNextPageToken()), place(method))
	if err == nil {
		set(list, "next_page_token", base64.RawURLEncoding.EncodeToString(sealed))
	}
	return err
}

func set(m proto.Message, field protoreflect.Name, text string) {
	r := m.ProtoReflect()
	r.Set(r.Descriptor().Fields().ByName(field), protoreflect.ValueOfString(text))
}
