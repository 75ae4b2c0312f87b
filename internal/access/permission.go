package access

import (
	"math/bits"
	"strconv"
)

// Permission is one thing that somebody may be allowed to do. The numbers are
// the wire's; gaps are not free for use.
type Permission int32

// The permissions, by number. No role grants PermissionUnknown.
const (
	PermissionUnknown Permission = 0

	ClusterModifyBindings                 Permission = 100
	ClusterGetBindings                    Permission = 101
	ClusterAuthActivate                   Permission = 102
	ClusterAuthDeactivate                 Permission = 103
	ClusterAuthGetConfig                  Permission = 104
	ClusterAuthSetConfig                  Permission = 105
	ClusterAuthModifyGroupMembers         Permission = 109
	ClusterAuthGetGroups                  Permission = 110
	ClusterAuthGetGroupUsers              Permission = 111
	ClusterAuthExtractTokens              Permission = 112
	ClusterAuthRestoreToken               Permission = 113
	ClusterEnterpriseActivate             Permission = 114
	ClusterEnterpriseHeartbeat            Permission = 115
	ClusterEnterpriseGetCode              Permission = 116
	ClusterEnterpriseDeactivate           Permission = 117
	ClusterIdentitySetConfig              Permission = 118
	ClusterIdentityGetConfig              Permission = 119
	ClusterIdentityCreateIDP              Permission = 120
	ClusterIdentityUpdateIDP              Permission = 121
	ClusterIdentityListIDPs               Permission = 122
	ClusterIdentityGetIDP                 Permission = 123
	ClusterIdentityDeleteIDP              Permission = 124
	ClusterIdentityCreateOIDCClient       Permission = 125
	ClusterIdentityUpdateOIDCClient       Permission = 126
	ClusterIdentityListOIDCClients        Permission = 127
	ClusterIdentityGetOIDCClient          Permission = 128
	ClusterIdentityDeleteOIDCClient       Permission = 129
	ClusterDebugDump                      Permission = 131
	ClusterLicenseActivate                Permission = 132
	ClusterLicenseGetCode                 Permission = 133
	ClusterLicenseAddCluster              Permission = 134
	ClusterLicenseUpdateCluster           Permission = 135
	ClusterLicenseDeleteCluster           Permission = 136
	ClusterLicenseListClusters            Permission = 137
	ClusterDeleteAll                      Permission = 138
	ClusterAuthGetRobotToken              Permission = 139
	ClusterAuthDeleteExpiredTokens        Permission = 140
	ClusterAuthGetPermissionsForPrincipal Permission = 141
	ClusterAuthRevokeUserTokens           Permission = 142
	ClusterCreateSecret                   Permission = 143
	ClusterListSecrets                    Permission = 144
	SecretDelete                          Permission = 145
	SecretInspect                         Permission = 146
	ClusterAuthRotateRootToken            Permission = 147
	ClusterGetPachdLogs                   Permission = 148
	ClusterEnterprisePause                Permission = 149
	ClusterGetLokiLogs                    Permission = 150
	ClusterEditClusterMetadata            Permission = 151
	ClusterSnapshotter                    Permission = 152
	ClusterRestartPachyderm               Permission = 153

	RepoRead                 Permission = 200
	RepoWrite                Permission = 201
	RepoModifyBindings       Permission = 202
	RepoDelete               Permission = 203
	RepoInspectCommit        Permission = 204
	RepoListCommit           Permission = 205
	RepoDeleteCommit         Permission = 206
	RepoCreateBranch         Permission = 207
	RepoListBranch           Permission = 208
	RepoDeleteBranch         Permission = 209
	RepoInspectFile          Permission = 210
	RepoListFile             Permission = 211
	RepoAddPipelineReader    Permission = 212
	RepoRemovePipelineReader Permission = 213
	RepoAddPipelineWriter    Permission = 214

	PipelineListJob    Permission = 301
	ClusterSetDefaults Permission = 302
	ProjectSetDefaults Permission = 303

	ProjectCreate         Permission = 400
	ProjectDelete         Permission = 401
	ProjectListRepo       Permission = 402
	ProjectCreateRepo     Permission = 403
	ProjectModifyBindings Permission = 404

	JobSkipCtx Permission = 501
)

// permissionNames is in the order of the numbers: the place of a permission in
// it is its bit in a PermissionSet.
var permissionNames = []struct {
	permission Permission
	name       string
}{
	{PermissionUnknown, "PERMISSION_UNKNOWN"},
	{ClusterModifyBindings, "CLUSTER_MODIFY_BINDINGS"},
	{ClusterGetBindings, "CLUSTER_GET_BINDINGS"},
	{ClusterAuthActivate, "CLUSTER_AUTH_ACTIVATE"},
	{ClusterAuthDeactivate, "CLUSTER_AUTH_DEACTIVATE"},
	{ClusterAuthGetConfig, "CLUSTER_AUTH_GET_CONFIG"},
	{ClusterAuthSetConfig, "CLUSTER_AUTH_SET_CONFIG"},
	{ClusterAuthModifyGroupMembers, "CLUSTER_AUTH_MODIFY_GROUP_MEMBERS"},
	{ClusterAuthGetGroups, "CLUSTER_AUTH_GET_GROUPS"},
	{ClusterAuthGetGroupUsers, "CLUSTER_AUTH_GET_GROUP_USERS"},
	{ClusterAuthExtractTokens, "CLUSTER_AUTH_EXTRACT_TOKENS"},
	{ClusterAuthRestoreToken, "CLUSTER_AUTH_RESTORE_TOKEN"},
	{ClusterEnterpriseActivate, "CLUSTER_ENTERPRISE_ACTIVATE"},
	{ClusterEnterpriseHeartbeat, "CLUSTER_ENTERPRISE_HEARTBEAT"},
	{ClusterEnterpriseGetCode, "CLUSTER_ENTERPRISE_GET_CODE"},
	{ClusterEnterpriseDeactivate, "CLUSTER_ENTERPRISE_DEACTIVATE"},
	{ClusterIdentitySetConfig, "CLUSTER_IDENTITY_SET_CONFIG"},
	{ClusterIdentityGetConfig, "CLUSTER_IDENTITY_GET_CONFIG"},
	{ClusterIdentityCreateIDP, "CLUSTER_IDENTITY_CREATE_IDP"},
	{ClusterIdentityUpdateIDP, "CLUSTER_IDENTITY_UPDATE_IDP"},
	{ClusterIdentityListIDPs, "CLUSTER_IDENTITY_LIST_IDPS"},
	{ClusterIdentityGetIDP, "CLUSTER_IDENTITY_GET_IDP"},
	{ClusterIdentityDeleteIDP, "CLUSTER_IDENTITY_DELETE_IDP"},
	{ClusterIdentityCreateOIDCClient, "CLUSTER_IDENTITY_CREATE_OIDC_CLIENT"},
	{ClusterIdentityUpdateOIDCClient, "CLUSTER_IDENTITY_UPDATE_OIDC_CLIENT"},
	{ClusterIdentityListOIDCClients, "CLUSTER_IDENTITY_LIST_OIDC_CLIENTS"},
	{ClusterIdentityGetOIDCClient, "CLUSTER_IDENTITY_GET_OIDC_CLIENT"},
	{ClusterIdentityDeleteOIDCClient, "CLUSTER_IDENTITY_DELETE_OIDC_CLIENT"},
	{ClusterDebugDump, "CLUSTER_DEBUG_DUMP"},
	{ClusterLicenseActivate, "CLUSTER_LICENSE_ACTIVATE"},
	{ClusterLicenseGetCode, "CLUSTER_LICENSE_GET_CODE"},
	{ClusterLicenseAddCluster, "CLUSTER_LICENSE_ADD_CLUSTER"},
	{ClusterLicenseUpdateCluster, "CLUSTER_LICENSE_UPDATE_CLUSTER"},
	{ClusterLicenseDeleteCluster, "CLUSTER_LICENSE_DELETE_CLUSTER"},
	{ClusterLicenseListClusters, "CLUSTER_LICENSE_LIST_CLUSTERS"},
	{ClusterDeleteAll, "CLUSTER_DELETE_ALL"},
	{ClusterAuthGetRobotToken, "CLUSTER_AUTH_GET_ROBOT_TOKEN"},
	{ClusterAuthDeleteExpiredTokens, "CLUSTER_AUTH_DELETE_EXPIRED_TOKENS"},
	{ClusterAuthGetPermissionsForPrincipal, "CLUSTER_AUTH_GET_PERMISSIONS_FOR_PRINCIPAL"},
	{ClusterAuthRevokeUserTokens, "CLUSTER_AUTH_REVOKE_USER_TOKENS"},
	{ClusterCreateSecret, "CLUSTER_CREATE_SECRET"},
	{ClusterListSecrets, "CLUSTER_LIST_SECRETS"},
	{SecretDelete, "SECRET_DELETE"},
	{SecretInspect, "SECRET_INSPECT"},
	{ClusterAuthRotateRootToken, "CLUSTER_AUTH_ROTATE_ROOT_TOKEN"},
	{ClusterGetPachdLogs, "CLUSTER_GET_PACHD_LOGS"},
	{ClusterEnterprisePause, "CLUSTER_ENTERPRISE_PAUSE"},
	{ClusterGetLokiLogs, "CLUSTER_GET_LOKI_LOGS"},
	{ClusterEditClusterMetadata, "CLUSTER_EDIT_CLUSTER_METADATA"},
	{ClusterSnapshotter, "CLUSTER_SNAPSHOTTER"},
	{ClusterRestartPachyderm, "CLUSTER_RESTART_PACHYDERM"},
	{RepoRead, "REPO_READ"},
	{RepoWrite, "REPO_WRITE"},
	{RepoModifyBindings, "REPO_MODIFY_BINDINGS"},
	{RepoDelete, "REPO_DELETE"},
	{RepoInspectCommit, "REPO_INSPECT_COMMIT"},
	{RepoListCommit, "REPO_LIST_COMMIT"},
	{RepoDeleteCommit, "REPO_DELETE_COMMIT"},
	{RepoCreateBranch, "REPO_CREATE_BRANCH"},
	{RepoListBranch, "REPO_LIST_BRANCH"},
	{RepoDeleteBranch, "REPO_DELETE_BRANCH"},
	{RepoInspectFile, "REPO_INSPECT_FILE"},
	{RepoListFile, "REPO_LIST_FILE"},
	{RepoAddPipelineReader, "REPO_ADD_PIPELINE_READER"},
	{RepoRemovePipelineReader, "REPO_REMOVE_PIPELINE_READER"},
	{RepoAddPipelineWriter, "REPO_ADD_PIPELINE_WRITER"},
	{PipelineListJob, "PIPELINE_LIST_JOB"},
	{ClusterSetDefaults, "CLUSTER_SET_DEFAULTS"},
	{ProjectSetDefaults, "PROJECT_SET_DEFAULTS"},
	{ProjectCreate, "PROJECT_CREATE"},
	{ProjectDelete, "PROJECT_DELETE"},
	{ProjectListRepo, "PROJECT_LIST_REPO"},
	{ProjectCreateRepo, "PROJECT_CREATE_REPO"},
	{ProjectModifyBindings, "PROJECT_MODIFY_BINDINGS"},
	{JobSkipCtx, "JOB_SKIP_CTX"},
}

const highestPermission = JobSkipCtx

// permissionBits turns a number into a bit without a search. Numbers that are
// no permission share the bit of PermissionUnknown, which nothing ever grants.
var permissionBits = bitsOfPermissions()

func bitsOfPermissions() (table [highestPermission + 1]uint8) {
	bit := uint8(0)
	for _, known := range permissionNames {
		table[known.permission] = bit
		bit++
	}
	return table
}

func (p Permission) bit() uint8 {
	if p < 0 || p > highestPermission {
		return 0
	}
	return permissionBits[p]
}

// String is the name on the wire, such as REPO_READ.
func (p Permission) String() string {
	if known := permissionNames[p.bit()]; known.permission == p {
		return known.name
	}
	return strconv.Itoa(int(p))
}

// PermissionSet is a set of permissions as a value: it compares with ==.
type PermissionSet [2]uint64

// SetOf makes a set. A number that is no permission counts as
// PermissionUnknown, so that asking for it is denied rather than overlooked.
func SetOf(permissions ...Permission) PermissionSet {
	var s PermissionSet
	for _, p := range permissions {
		bit := p.bit()
		s[bit/64] |= 1 << (bit % 64)
	}
	return s
}

// has reports whether p is in s.
func (s PermissionSet) has(p Permission) bool {
	bit := p.bit()
	return s[bit/64]&(1<<(bit%64)) != 0
}

// contains reports whether all of t is in s.
func (s PermissionSet) contains(t PermissionSet) bool { return t.minus(s) == PermissionSet{} }

// union is what is in s or in t.
func (s PermissionSet) union(t PermissionSet) PermissionSet {
	return PermissionSet{s[0] | t[0], s[1] | t[1]}
}

// intersection is what is in s and in t.
func (s PermissionSet) intersection(t PermissionSet) PermissionSet {
	return PermissionSet{s[0] & t[0], s[1] & t[1]}
}

// minus is what is in s and not in t.
func (s PermissionSet) minus(t PermissionSet) PermissionSet {
	return PermissionSet{s[0] &^ t[0], s[1] &^ t[1]}
}

// len is the number of permissions in s.
func (s PermissionSet) len() int { return bits.OnesCount64(s[0]) + bits.OnesCount64(s[1]) }

// List is s by number.
func (s PermissionSet) List() []Permission {
	list := make([]Permission, 0, s.len())
	for word, rest := range s {
		for ; rest != 0; rest &= rest - 1 {
			list = append(list, permissionNames[word*64+bits.TrailingZeros64(rest)].permission)
		}
	}
	return list
}
