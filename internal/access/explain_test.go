package access

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/principal"
)

func grant(r Resource, who principal.Name, role string) Grant {
	return Grant{Resource: r, Principal: who, Role: role}
}

func TestExplain(t *testing.T) {
	ix := sample(t)
	in := func(g ...principal.Name) []principal.Name { return g }
	for _, c := range []struct {
		name    string
		subject principal.Name
		groups  []principal.Name
		on      Resource
		p       Permission
		want    Explanation
	}{
		{"every grant is named, from the cluster down", alice, in(admins, engineers), repo("default/images"), RepoRead, Explanation{
			Allowed: true,
			Grants: []Grant{
				grant(cluster(), admins, "clusterAdmin"),
				grant(project("default"), alice, "projectOwner"),
				grant(repo("default/images"), alice, "repoReader"),
				grant(repo("default/images"), engineers, "repoWriter"),
			},
		}},
		{"by everybody's grant", carol, nil, project("default"), ProjectCreateRepo, Explanation{
			Allowed: true,
			Grants:  []Grant{grant(project("default"), principal.Everyone, "projectWriter")},
		}},
		{"a specification by its nature", carol, nil, spec("default/images"), RepoRead, Explanation{
			Allowed: true,
			Grants:  []Grant{grant(spec("default/images"), principal.Everyone, "repoReader")},
		}},
		{"the smallest role on the repository would do", carol, nil, repo("default/images"), RepoRead, Explanation{
			Suggestions: []Grant{grant(repo("default/images"), carol, "repoReader")},
		}},
		{"and on the repository behind a specification", carol, nil, spec("default/images"), RepoWrite, Explanation{
			Suggestions: []Grant{grant(repo("default/images"), carol, "repoWriter")},
		}},
		{"what a repository cannot carry is granted on the project", bob, in(engineers), repo("default/images"), ProjectDelete, Explanation{
			Suggestions: []Grant{grant(project("default"), bob, "projectOwner")},
		}},
		{"or on the cluster", alice, nil, repo("default/images"), ClusterGetLokiLogs, Explanation{
			Suggestions: []Grant{grant(cluster(), alice, "lokiLogReader")},
		}},
		{"no role is bound to a job", alice, nil, job7, JobSkipCtx, Explanation{
			Suggestions: []Grant{grant(cluster(), alice, "jobAdmin")},
		}},
		{"no role grants the unknown permission", root, nil, cluster(), PermissionUnknown, Explanation{}},
		{"nothing is suggested to nobody", "", nil, cluster(), RepoRead, Explanation{}},
	} {
		if diff := cmp.Diff(c.want, ix.Explain(c.subject, c.groups, c.on, c.p)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestGrant_NamesItsGroup(t *testing.T) {
	for who, want := range map[principal.Name]principal.Name{engineers: engineers, alice: "", principal.Everyone: ""} {
		if got := grant(cluster(), who, "repoReader").Group(); got != want {
			t.Errorf("by %s: group %q, want %q", who, got, want)
		}
	}
}
