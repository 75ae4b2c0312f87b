package access

import (
	"strconv"
	"strings"

	"pachyderm/internal/fault"
)

// ResourceType says what a resource is. The numbers are the wire's.
type ResourceType int32

// The types. A SpecRepo keeps the specification of a pipeline: everybody may
// read it, and otherwise it stands for the repository of the same name.
const (
	UnknownResource ResourceType = 0
	Cluster         ResourceType = 1
	Repo            ResourceType = 2
	SpecRepo        ResourceType = 3
	Project         ResourceType = 4
	Job             ResourceType = 5
)

var resourceTypeNames = [...]string{"RESOURCE_TYPE_UNKNOWN", "CLUSTER", "REPO", "SPEC_REPO", "PROJECT", "JOB"}

// String is the name on the wire, such as SPEC_REPO.
func (t ResourceType) String() string {
	if t < 0 || int(t) >= len(resourceTypeNames) {
		return strconv.Itoa(int(t))
	}
	return resourceTypeNames[t]
}

// Resource is what a permission applies to. It is comparable; make it with
// ParseResource wherever the name comes from outside.
type Resource struct {
	Type ResourceType
	// Name is empty for the cluster, "project" or "project/repo".
	Name string
}

const (
	maxProjectName = 51
	maxRepoName    = 255
	maxJobName     = 255
)

// ParseResource checks that the name is one that a resource of this type can
// have. Whether such a resource exists is not its business.
func ParseResource(t ResourceType, name string) (Resource, error) {
	r := Resource{Type: t, Name: name}
	switch t {
	case Cluster:
		if name != "" {
			return Resource{}, fault.New(fault.Invalid, "invalid resource name %s: the CLUSTER has no name, leave it empty", name)
		}
	case Project:
		if !wellFormed(name, maxProjectName, "_-") {
			return Resource{}, fault.New(fault.Invalid,
				"invalid resource name %s: a PROJECT is named by 1 to %d letters, digits, _ and -", name, maxProjectName)
		}
	case Repo, SpecRepo:
		project, repo, found := strings.Cut(name, "/")
		if !found || !wellFormed(project, maxProjectName, "_-") || !wellFormed(repo, maxRepoName, "_-.") {
			return Resource{}, fault.New(fault.Invalid,
				"invalid resource name %s: a %s is named project/repo, for example default/images; "+
					"letters, digits, _ and - are allowed, in the repo also dots", name, t)
		}
	case Job:
		if !wellFormed(name, maxJobName, "_-./@") {
			return Resource{}, fault.New(fault.Invalid, "invalid resource name %s: a JOB is named by letters, digits, _, -, dots, / and @", name)
		}
	default:
		return Resource{}, fault.New(fault.Invalid, "unknown resource type %s", t).
			Next("use CLUSTER, PROJECT or REPO")
	}
	return r, nil
}

func wellFormed(name string, longest int, alsoAllowed string) bool {
	if name == "" || len(name) > longest {
		return false
	}
	for i := range len(name) {
		c := name[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (c < '0' || c > '9') && strings.IndexByte(alsoAllowed, c) < 0 {
			return false
		}
	}
	return true
}

// String is the form for people, such as "REPO default/images".
func (r Resource) String() string {
	if r.Name == "" {
		return r.Type.String()
	}
	return r.Type.String() + " " + r.Name
}

// path is every resource whose bindings count for one, from the cluster down.
// It is an array because decisions allocate nothing.
type path struct {
	at  [3]Resource
	len int
}

func pathTo(r Resource) (p path) {
	p.at[0] = Resource{Type: Cluster}
	p.len = 1
	switch r.Type {
	case Cluster:
		return p
	case Repo, SpecRepo:
		r.Type = Repo
		// A name of another form has no project whose grants it could inherit.
		project, repo, found := strings.Cut(r.Name, "/")
		if found && strings.IndexByte(repo, '/') < 0 {
			p.at[1] = Resource{Type: Project, Name: project}
			p.len = 2
		}
	}
	p.at[p.len] = r
	p.len++
	return p
}
