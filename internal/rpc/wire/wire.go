package wire

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "pachyderm/api/auth"
	"pachyderm/internal/access"
	"pachyderm/internal/fault"
	"pachyderm/internal/principal"
)

// Timestamp is absent for the zero time.
func Timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// Resource checks a resource, which must be there.
func Resource(r *pb.Resource) (access.Resource, error) {
	if r == nil {
		return access.Resource{}, fault.New(fault.Invalid, "validate request: resource is required")
	}
	return access.ParseResource(access.ResourceType(r.GetType()), r.GetName())
}

// Permission checks a permission, which must be one of those that exist.
func Permission(p pb.Permission) (access.Permission, error) {
	if _, ok := pb.Permission_name[int32(p)]; !ok || p == pb.Permission_PERMISSION_UNKNOWN {
		return 0, fault.New(fault.Invalid, "unknown permission %d", p)
	}
	return access.Permission(p), nil
}

// Texts are names as text.
func Texts(names []principal.Name) []string {
	out := make([]string, len(names))
	for n, name := range names {
		out[n] = name.String()
	}
	return out
}
