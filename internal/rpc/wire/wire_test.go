package wire_test

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	pb "pachyderm/api/auth"
	"pachyderm/internal/access"
	"pachyderm/internal/fault"
	"pachyderm/internal/principal"
	"pachyderm/internal/rpc/wire"
)

func TestTimestamp(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	if got := wire.Timestamp(at).AsTime(); got != at {
		t.Errorf("got %s", got)
	}
	if got := wire.Timestamp(time.Time{}); got != nil {
		t.Errorf("no time is %v", got)
	}
}

func TestResource(t *testing.T) {
	got, err := wire.Resource(&pb.Resource{Type: pb.ResourceType_REPO, Name: "default/images"})
	if want := (access.Resource{Type: access.Repo, Name: "default/images"}); err != nil || got != want {
		t.Errorf("got %v, %v", got, err)
	}
	for name, r := range map[string]*pb.Resource{"none": nil, "no type": {}, "no name": {Type: pb.ResourceType_PROJECT}} {
		if _, err := wire.Resource(r); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a newer client may ask for is not taken for another permission.
func TestPermission(t *testing.T) {
	for n := range pb.Permission_name {
		p := pb.Permission(n)
		got, err := wire.Permission(p)
		if known := p != pb.Permission_PERMISSION_UNKNOWN; known != (err == nil) || known && protoreflect.EnumNumber(got) != p.Number() {
			t.Errorf("%s is %s, %v", p, got, err)
		}
	}
	if _, err := wire.Permission(9999); !fault.Is(err, fault.Invalid) {
		t.Errorf("a permission of a newer client: %v", err)
	}
}

func TestTexts(t *testing.T) {
	if got := wire.Texts([]principal.Name{"user:a@example.com", "robot:ci"}); !slices.Equal(got, []string{"user:a@example.com", "robot:ci"}) {
		t.Errorf("got %q", got)
	}
}
