package access

import (
	"math/bits"
	"slices"
	"strings"

	"pachyderm/internal/fault"
)

// Role is a named set of permissions; the roles are fixed.
type Role struct {
	Name        string
	Permissions []Permission
	// CanBeBoundTo says on which types of resource the role is meant to be granted.
	// On others it gives what roles that are meant for them could give as well.
	CanBeBoundTo []ResourceType
	// ReturnedFor says for which types of resource the role is worth showing.
	ReturnedFor []ResourceType
}

// The roles that the server itself hands out.
const (
	repoReader     = "repoReader"
	projectWriter  = "projectWriter"
	projectCreator = "projectCreator"
	clusterAdmin   = "clusterAdmin"
)

// What whoever makes a project or a repository is there.
const (
	ProjectOwner = "projectOwner"
	RepoOwner    = "repoOwner"
)

// roleTable is the wire's order. The place of a role in it is its bit in a
// roleSet.
var roleTable = rolesOfUpstream()

func rolesOfUpstream() []Role {
	cluster := []ResourceType{Cluster}
	clusterProject := []ResourceType{Cluster, Project}
	clusterProjectRepo := []ResourceType{Cluster, Project, Repo}
	repo := []ResourceType{Repo}

	reader := []Permission{
		RepoRead, RepoInspectCommit, RepoListCommit, RepoListBranch, RepoListFile, RepoInspectFile,
		RepoAddPipelineReader, RepoRemovePipelineReader, PipelineListJob,
	}
	writer := join(reader, []Permission{RepoWrite, RepoDeleteCommit, RepoCreateBranch, RepoDeleteBranch, RepoAddPipelineWriter})
	owner := join(writer, []Permission{RepoModifyBindings, RepoDelete})
	viewProject := []Permission{ProjectListRepo}
	writeProject := join(viewProject, []Permission{ProjectCreateRepo})
	ownProject := join(owner, writeProject, []Permission{ProjectDelete, ProjectModifyBindings, ProjectSetDefaults})

	roles := []Role{
		{repoReader, reader, clusterProjectRepo, repo},
		{"repoWriter", writer, clusterProjectRepo, repo},
		{RepoOwner, owner, clusterProjectRepo, repo},
		{"oidcAppAdmin", []Permission{
			ClusterIdentityDeleteOIDCClient, ClusterIdentityCreateOIDCClient, ClusterIdentityUpdateOIDCClient,
			ClusterIdentityListOIDCClients, ClusterIdentityGetOIDCClient,
		}, cluster, cluster},
		{"idpAdmin", []Permission{
			ClusterIdentityCreateIDP, ClusterIdentityUpdateIDP, ClusterIdentityListIDPs,
			ClusterIdentityGetIDP, ClusterIdentityDeleteIDP,
		}, cluster, cluster},
		{"identityAdmin", []Permission{ClusterIdentitySetConfig, ClusterIdentityGetConfig}, cluster, cluster},
		{"jobAdmin", []Permission{JobSkipCtx}, []ResourceType{Job, Cluster}, []ResourceType{Job, Cluster}},
		{"debugger", []Permission{ClusterDebugDump, ClusterGetPachdLogs, ClusterGetLokiLogs}, cluster, cluster},
		{"lokiLogReader", []Permission{ClusterGetLokiLogs}, cluster, cluster},
		{"robotUser", []Permission{ClusterAuthGetRobotToken}, cluster, cluster},
		{"licenseAdmin", []Permission{
			ClusterLicenseActivate, ClusterLicenseGetCode, ClusterLicenseAddCluster,
			ClusterLicenseUpdateCluster, ClusterLicenseDeleteCluster, ClusterLicenseListClusters,
		}, cluster, cluster},
		{"secretAdmin", []Permission{ClusterCreateSecret, ClusterListSecrets, SecretInspect, SecretDelete}, cluster, cluster},
		{"pachdLogReader", []Permission{ClusterGetPachdLogs}, cluster, cluster},
		{"projectViewer", viewProject, clusterProject, []ResourceType{Project}},
		{projectWriter, writeProject, clusterProject, []ResourceType{Project}},
		{ProjectOwner, ownProject, clusterProject, []ResourceType{Project, Repo}},
		{projectCreator, []Permission{ProjectCreate}, cluster, cluster},
	}
	var every [][]Permission
	for _, r := range roles {
		every = append(every, r.Permissions)
	}
	admin := join(append(every, []Permission{
		ClusterModifyBindings, ClusterGetBindings,
		ClusterAuthActivate, ClusterAuthDeactivate, ClusterAuthGetConfig, ClusterAuthSetConfig,
		ClusterAuthModifyGroupMembers, ClusterAuthGetGroups, ClusterAuthGetGroupUsers,
		ClusterAuthExtractTokens, ClusterAuthRestoreToken, ClusterAuthRotateRootToken,
		ClusterAuthDeleteExpiredTokens, ClusterAuthGetPermissionsForPrincipal, ClusterAuthRevokeUserTokens,
		ClusterEnterpriseActivate, ClusterEnterpriseHeartbeat, ClusterEnterpriseGetCode,
		ClusterEnterpriseDeactivate, ClusterEnterprisePause,
		ClusterDeleteAll, ClusterSetDefaults, ClusterEditClusterMetadata, ClusterSnapshotter, ClusterRestartPachyderm,
	})...)
	return append(roles, Role{clusterAdmin, admin, cluster, clusterProjectRepo})
}

// join keeps the order in which the permissions first appear.
func join(lists ...[]Permission) []Permission {
	var all []Permission
	var seen PermissionSet
	for _, p := range slices.Concat(lists...) {
		if !seen.has(p) {
			seen = seen.union(SetOf(p))
			all = append(all, p)
		}
	}
	return all
}

// RolesWith lists the roles that grant p.
func RolesWith(p Permission) []Role {
	var with []Role
	for _, r := range roleTable {
		if slices.Contains(r.Permissions, p) {
			with = append(with, r.clone())
		}
	}
	return with
}

func unknownRole(name string) error {
	var names []string
	for _, r := range roleTable {
		names = append(names, r.Name)
	}
	return fault.New(fault.Invalid, "unknown role %q", name).
		Next("use one of %s", strings.Join(names, ", "))
}

func (r Role) bindableTo(t ResourceType) bool {
	if t == SpecRepo {
		t = Repo
	}
	return slices.Contains(r.CanBeBoundTo, t)
}

// clone keeps the table out of the hands of callers.
func (r Role) clone() Role {
	r.Permissions = slices.Clone(r.Permissions)
	r.CanBeBoundTo = slices.Clone(r.CanBeBoundTo)
	r.ReturnedFor = slices.Clone(r.ReturnedFor)
	return r
}

func indexOfRole(name string) int {
	return slices.IndexFunc(roleTable, func(r Role) bool { return r.Name == name })
}

// roleSet is a set of roles, one bit for each in the order of roleTable.
type roleSet uint32

// rolePermissions is what each role grants, ready for decisions.
var rolePermissions = permissionsByRole()

func permissionsByRole() (table [32]PermissionSet) {
	for i, r := range roleTable {
		table[i] = SetOf(r.Permissions...)
	}
	return table
}

func roleSetOf(names ...string) (roleSet, error) {
	var s roleSet
	for _, name := range names {
		i := indexOfRole(name)
		if i < 0 {
			return 0, unknownRole(name)
		}
		s |= 1 << i
	}
	return s, nil
}

// permissionsOn is what the roles give where they are bound on a resource of type
// t: never more than roles that are meant for the type. So whoever may bind roles
// on a project gives nothing beyond it, whichever role they bind.
func (s roleSet) permissionsOn(t ResourceType) PermissionSet {
	var all PermissionSet
	for ; s != 0; s &= s - 1 {
		all = all.union(rolePermissions[bits.TrailingZeros32(uint32(s))%32])
	}
	return all.intersection(boundPermissions[t])
}

// boundPermissions is what a binding on a resource of a type can give.
var boundPermissions = permissionsByType()

func permissionsByType() (table [len(resourceTypeNames)]PermissionSet) {
	for i, r := range roleTable {
		for t := range table {
			if r.bindableTo(ResourceType(t)) {
				table[t] = table[t].union(rolePermissions[i])
			}
		}
	}
	return table
}

// returnedFor are the roles that are worth showing for a type of resource.
func returnedFor(t ResourceType) (s roleSet) {
	for i, r := range roleTable {
		if slices.Contains(r.ReturnedFor, t) {
			s |= 1 << i
		}
	}
	return s
}

// roles lists the members of s in the order of the table.
func (s roleSet) roles() []Role {
	var all []Role
	for i, r := range roleTable {
		if s&(1<<i) != 0 {
			all = append(all, r)
		}
	}
	return all
}

func (s roleSet) names() []string {
	var all []string
	for _, r := range s.roles() {
		all = append(all, r.Name)
	}
	slices.Sort(all)
	return all
}
