package access_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/access"
	"pachyderm/internal/fault"
)

func TestParseResource(t *testing.T) {
	for _, c := range []struct {
		t    access.ResourceType
		name string
		want string // "" when it is refused
	}{
		{access.Cluster, "", "CLUSTER"},
		{access.Cluster, "x", ""},
		{access.Project, "default", "PROJECT default"},
		{access.Project, "A_b-9", "PROJECT A_b-9"},
		{access.Project, strings.Repeat("p", 51), "PROJECT " + strings.Repeat("p", 51)},
		{access.Project, strings.Repeat("p", 52), ""},
		{access.Project, "", ""},
		{access.Project, "a.b", ""},
		{access.Project, "a/b", ""},
		{access.Project, "größe", ""},
		{access.Project, "a b", ""},
		{access.Repo, "default/images", "REPO default/images"},
		{access.Repo, "default/v1.0_a-b", "REPO default/v1.0_a-b"},
		{access.Repo, "default", ""},
		{access.Repo, "a/b/c", ""},
		{access.Repo, "/b", ""},
		{access.Repo, "a/", ""},
		{access.Repo, "a.b/c", ""},
		{access.Repo, "a/" + strings.Repeat("r", 256), ""},
		{access.SpecRepo, "default/images", "SPEC_REPO default/images"},
		{access.SpecRepo, "default", ""},
		{access.Job, "1234", "JOB 1234"},
		{access.Job, "", ""},
		{access.UnknownResource, "x", ""},
		{7, "x", ""},
	} {
		r, err := access.ParseResource(c.t, c.name)
		if c.want == "" {
			if !fault.Is(err, fault.Invalid) || r != (access.Resource{}) {
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
	_, err := access.ParseResource(access.Repo, "images")
	if got, want := fault.Message(err), "invalid resource name images: "; !strings.HasPrefix(got, want) {
		t.Errorf("message %q does not begin with %q", got, want)
	}
}

func TestResource_Parents(t *testing.T) {
	cluster := access.Resource{Type: access.Cluster}
	project := access.Resource{Type: access.Project, Name: "p"}
	repo := access.Resource{Type: access.Repo, Name: "p/r"}
	for _, c := range []struct {
		of   access.Resource
		want []access.Resource
	}{
		{cluster, nil},
		{project, []access.Resource{cluster}},
		{repo, []access.Resource{cluster, project}},
		{access.Resource{Type: access.SpecRepo, Name: "p/r"}, []access.Resource{cluster, project, repo}},
		{access.Resource{Type: access.Job, Name: "7"}, []access.Resource{cluster}},
		{access.Resource{Type: access.Repo, Name: "p"}, []access.Resource{cluster}},
		{access.Resource{Type: access.Repo, Name: "p/r/s"}, []access.Resource{cluster}},
	} {
		if diff := cmp.Diff(c.want, c.of.Parents()); diff != "" {
			t.Errorf("parents of %s (-want +got):\n%s", c.of, diff)
		}
	}
}

func FuzzParseResource(f *testing.F) {
	f.Add(int32(access.Repo), "default/images")
	f.Add(int32(access.Project), "default")
	f.Add(int32(access.Cluster), "")
	f.Fuzz(func(t *testing.T, n int32, name string) {
		r, err := access.ParseResource(access.ResourceType(n), name)
		if err != nil {
			return
		}
		if r.Name != name || int32(r.Type) != n {
			t.Fatalf("ParseResource(%d, %q) = %v", n, name, r)
		}
		for _, parent := range r.Parents() {
			if _, err := access.ParseResource(parent.Type, parent.Name); err != nil {
				t.Fatalf("parent of %v: %v", r, err)
			}
		}
	})
}
