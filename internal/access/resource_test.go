package access

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/fault"
)

func TestParseResource(t *testing.T) {
	for _, c := range []struct {
		t    ResourceType
		name string
		want string // "" when it is refused
	}{
		{Cluster, "", "CLUSTER"},
		{Cluster, "x", ""},
		{Project, "default", "PROJECT default"},
		{Project, "A_b-9", "PROJECT A_b-9"},
		{Project, strings.Repeat("p", 51), "PROJECT " + strings.Repeat("p", 51)},
		{Project, strings.Repeat("p", 52), ""},
		{Project, "", ""},
		{Project, "a.b", ""},
		{Project, "a/b", ""},
		{Project, "größe", ""},
		{Project, "a b", ""},
		{Repo, "default/images", "REPO default/images"},
		{Repo, "default/v1.0_a-b", "REPO default/v1.0_a-b"},
		{Repo, "default", ""},
		{Repo, "a/b/c", ""},
		{Repo, "/b", ""},
		{Repo, "a/", ""},
		{Repo, "a.b/c", ""},
		{Repo, "a/" + strings.Repeat("r", 256), ""},
		{SpecRepo, "default/images", "SPEC_REPO default/images"},
		{SpecRepo, "default", ""},
		{Job, "1234", "JOB 1234"},
		{Job, "default/edges@1234", "JOB default/edges@1234"},
		{Job, "azAZ09", "JOB azAZ09"},
		{Job, "", ""},
		{UnknownResource, "x", ""},
		{7, "x", ""},
	} {
		r, err := ParseResource(c.t, c.name)
		if c.want == "" {
			if !fault.Is(err, fault.Invalid) || r != (Resource{}) {
				t.Errorf("ParseResource(%s, %q) = %v, %v; want a refusal", c.t, c.name, r, err)
			}
			continue
		}
		if err != nil || r.String() != c.want {
			t.Errorf("ParseResource(%s, %q) = %v, %v; want %s", c.t, c.name, r, err, c.want)
		}
	}
}

func TestParseResource_NamesWhatIsRefused(t *testing.T) {
	_, err := ParseResource(Repo, "images")
	if got, want := fault.Message(err), "invalid resource name images: "; !strings.HasPrefix(got, want) {
		t.Errorf("message %q does not begin with %q", got, want)
	}
}

// parents are the resources from which r inherits grants, from the cluster down.
func parents(r Resource) (up []Resource) {
	p := pathTo(r)
	for _, at := range p.at[:p.len] {
		if at != r {
			up = append(up, at)
		}
	}
	return up
}

func TestResource_Parents(t *testing.T) {
	cluster := Resource{Type: Cluster}
	project := Resource{Type: Project, Name: "p"}
	repo := Resource{Type: Repo, Name: "p/r"}
	for _, c := range []struct {
		of   Resource
		want []Resource
	}{
		{cluster, nil},
		{project, []Resource{cluster}},
		{repo, []Resource{cluster, project}},
		{Resource{Type: SpecRepo, Name: "p/r"}, []Resource{cluster, project, repo}},
		{Resource{Type: Job, Name: "7"}, []Resource{cluster}},
		{Resource{Type: Repo, Name: "p"}, []Resource{cluster}},
		{Resource{Type: Repo, Name: "p/r/s"}, []Resource{cluster}},
		{Resource{Type: Repo, Name: "p//r"}, []Resource{cluster}},
	} {
		if diff := cmp.Diff(c.want, parents(c.of)); diff != "" {
			t.Errorf("parents of %s (-want +got):\n%s", c.of, diff)
		}
	}
}

func FuzzParseResource(f *testing.F) {
	f.Add(int32(Repo), "default/images")
	f.Add(int32(Project), "default")
	f.Add(int32(Cluster), "")
	f.Fuzz(func(t *testing.T, n int32, name string) {
		r, err := ParseResource(ResourceType(n), name)
		if err != nil {
			return
		}
		if r.Name != name || int32(r.Type) != n {
			t.Fatalf("ParseResource(%d, %q) = %v", n, name, r)
		}
		for _, parent := range parents(r) {
			if _, err := ParseResource(parent.Type, parent.Name); err != nil {
				t.Fatalf("parent of %v: %v", r, err)
			}
		}
	})
}
