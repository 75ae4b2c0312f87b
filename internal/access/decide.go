package access

import (
	"strings"

	"pachyderm/internal/fault"
	"pachyderm/internal/principal"
)

// Decision is the answer to what was needed.
type Decision struct {
	Allowed   bool
	Satisfied PermissionSet
	Missing   PermissionSet
}

// specReaders are the roles that everybody has on a SpecRepo.
var specReaders = roleSet(1) << indexOfRole(repoReader)

// Decide says which of the needed permissions the subject has on the resource:
// by bindings of its own, of its groups and of everybody, on the resource and
// on what it lies in. There is no denial by binding: grants add up. It does not
// allocate.
func (ix *Index) Decide(subject principal.Name, groups []principal.Name, r Resource, need PermissionSet) Decision {
	var have PermissionSet
	ix.grants(subject, groups, r, func(at Resource, _ principal.Name, roles roleSet) bool {
		have = have.union(roles.permissionsOn(at.Type))
		return !have.contains(need)
	})
	missing := need.minus(have)
	return Decision{Allowed: missing == PermissionSet{}, Satisfied: need.minus(missing), Missing: missing}
}

// Stale says of a group's binding whether the fact that somebody is in it is too old.
type Stale func(at Resource, group principal.Name) bool

// grants is the one place that knows how bindings apply. It calls yield with
// each entry for the subject, from the cluster down, until yield has enough.
func (ix *Index) grants(subject principal.Name, groups []principal.Name, r Resource,
	yield func(at Resource, who principal.Name, roles roleSet) bool,
) {
	// The zero name is nobody, and nobody is not everybody.
	if subject == "" {
		return
	}
	if r.Type == SpecRepo && !yield(r, principal.Everyone, specReaders) {
		return
	}
	// As many groups as people usually have are hashed once for all levels.
	var hashes [16]uint64
	for i := range min(len(groups), len(hashes)) {
		hashes[i] = ix.hash(string(groups[i]))
	}
	own := ix.hash(string(subject))
	p := pathTo(r)
	for _, at := range p.at[:p.len] {
		b := ix.bound(at)
		if b == nil {
			continue
		}
		if roles := b.rolesOf(own, subject); roles != 0 && !yield(at, subject, roles) {
			return
		}
		if b.everyone != 0 && !yield(at, principal.Everyone, b.everyone) {
			return
		}
		for i, g := range groups {
			hash := hashes[i%len(hashes)]
			if i >= len(hashes) {
				hash = ix.hash(string(g))
			}
			if roles := b.rolesOf(hash, g); roles != 0 && ix.counts(at, g) && !yield(at, g, roles) {
				return
			}
		}
	}
}

// counts is whether a membership does: one in what is no group lends nobody's roles.
func (ix *Index) counts(at Resource, g principal.Name) bool {
	return g.Kind() == principal.Group && (ix.stale == nil || !ix.stale(at, g))
}

// Effective lists, by name, the roles that the subject has on the resource and
// that are worth showing for its type, and what these roles permit.
func (ix *Index) Effective(subject principal.Name, groups []principal.Name, r Resource) ([]string, PermissionSet) {
	t := r.Type
	if t == SpecRepo {
		t = Repo
	}
	shown := returnedFor(t)
	var held roleSet
	var all PermissionSet
	ix.grants(subject, groups, r, func(at Resource, _ principal.Name, roles roleSet) bool {
		held |= roles & shown
		all = all.union((roles & shown).permissionsOn(at.Type))
		return true
	})
	return append([]string{}, held.names()...), all
}

// DeniedError is the fault for a denial, in the words that clients look for. It
// names what was needed rather than what was missing.
func DeniedError(subject principal.Name, r Resource, need []Permission) *fault.Error {
	var names []string
	for _, p := range need {
		names = append(names, p.String())
	}
	return fault.New(fault.Denied,
		"%s is not authorized to perform this operation - needs permissions [%s] on %s %s. "+
			"Run `pachctl auth roles-for-permission` to find roles that grant a given permission.",
		subject, strings.Join(names, " "), r.Type, r.Name)
}

// ErrNoBinding is in upstream's words, which clients look for.
func ErrNoBinding(r Resource) error {
	return fault.New(fault.NotFound, "no role binding exists for %s %s: it does not exist, or nobody has a role on it", r.Type, r.Name)
}
