package wire

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "pachyderm/api/auth"
	"pachyderm/internal/access"
	"pachyderm/internal/db"
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

// FromResource is the inverse of Resource.
func FromResource(r access.Resource) *pb.Resource {
	return &pb.Resource{Type: pb.ResourceType(r.Type), Name: r.Name}
}

// Permission checks a permission, which must be one of those that exist.
func Permission(p pb.Permission) (access.Permission, error) {
	if _, ok := pb.Permission_name[int32(p)]; !ok || p == pb.Permission_PERMISSION_UNKNOWN {
		return 0, fault.New(fault.Invalid, "unknown permission %d", p)
	}
	return access.Permission(p), nil
}

// PermissionSet is Permission of each.
func PermissionSet(list []pb.Permission) (access.PermissionSet, error) {
	all := make([]access.Permission, len(list))
	for n, p := range list {
		var err error
		if all[n], err = Permission(p); err != nil {
			return access.PermissionSet{}, err
		}
	}
	return access.SetOf(all...), nil
}

// Permissions is the inverse of PermissionSet.
func Permissions(s access.PermissionSet) []pb.Permission {
	list := s.List()
	out := make([]pb.Permission, len(list))
	for n, p := range list {
		out[n] = pb.Permission(p)
	}
	return out
}

// Roles are role names as a binding has them.
func Roles(names []string) *pb.Roles {
	roles := make(map[string]bool, len(names))
	for _, name := range names {
		roles[name] = true
	}
	return &pb.Roles{Roles: roles}
}

// Page is what a List request asks for by page size and page token.
func Page(list interface {
	GetPageSize() int32
	GetPageToken() string
},
) db.Page {
	return db.Page{After: list.GetPageToken(), Limit: int(list.GetPageSize())}
}

// Texts are names as text.
func Texts(names []principal.Name) []string {
	out := make([]string, len(names))
	for n, name := range names {
		out[n] = name.String()
	}
	return out
}
