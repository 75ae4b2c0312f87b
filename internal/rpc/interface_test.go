package rpc_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pachyderm/internal/pachd/pachdtest"
	"pachyderm/internal/rpc"
)

// wanted is what each method asks for, written by hand: upstream's from its
// published interface, ours from what each gives. It must not be made from the
// policy table, which it is there to contradict. After a method stands nothing
// (no token), "token", or the permission on the cluster; "-" is a method that
// does not exist yet.
const wanted = `
admin_v2.API/InspectCluster
admin_v2.API/RestartPachyderm -
versionpb_v2.API/GetVersion
auth_v2.API/Activate
auth_v2.API/Authenticate
auth_v2.API/GetOIDCLogin
auth_v2.API/Authorize token
auth_v2.API/WhoAmI token
auth_v2.API/GetRoleBinding token
auth_v2.API/ModifyRoleBinding token
auth_v2.API/RevokeAuthToken token
auth_v2.API/GetGroups token
auth_v2.API/GetPermissions token
auth_v2.API/GetRolesForPermission token
auth_v2.API/GetGroupsForPrincipal CLUSTER_AUTH_GET_GROUPS
auth_v2.API/GetPermissionsForPrincipal CLUSTER_AUTH_GET_PERMISSIONS_FOR_PRINCIPAL
auth_v2.API/GetConfiguration CLUSTER_AUTH_GET_CONFIG
auth_v2.API/SetConfiguration CLUSTER_AUTH_SET_CONFIG
auth_v2.API/GetRobotToken CLUSTER_AUTH_GET_ROBOT_TOKEN
auth_v2.API/SetGroupsForUser CLUSTER_AUTH_MODIFY_GROUP_MEMBERS
auth_v2.API/ModifyMembers CLUSTER_AUTH_MODIFY_GROUP_MEMBERS
auth_v2.API/GetUsers CLUSTER_AUTH_GET_GROUP_USERS
auth_v2.API/ExtractAuthTokens CLUSTER_AUTH_EXTRACT_TOKENS
auth_v2.API/RestoreAuthToken CLUSTER_AUTH_RESTORE_TOKEN
auth_v2.API/Deactivate CLUSTER_AUTH_DEACTIVATE
auth_v2.API/DeleteExpiredAuthTokens CLUSTER_AUTH_DELETE_EXPIRED_TOKENS
auth_v2.API/RevokeAuthTokensForUser CLUSTER_AUTH_REVOKE_USER_TOKENS
auth_v2.API/RotateRootToken CLUSTER_AUTH_ROTATE_ROOT_TOKEN
enterprise_v2.API/GetState
enterprise_v2.API/Activate CLUSTER_ENTERPRISE_ACTIVATE
enterprise_v2.API/GetActivationCode CLUSTER_ENTERPRISE_GET_CODE
enterprise_v2.API/Deactivate CLUSTER_ENTERPRISE_DEACTIVATE
enterprise_v2.API/Heartbeat CLUSTER_ENTERPRISE_HEARTBEAT
enterprise_v2.API/Pause CLUSTER_ENTERPRISE_PAUSE
enterprise_v2.API/Unpause CLUSTER_ENTERPRISE_PAUSE
enterprise_v2.API/PauseStatus token
grpc.health.v1.Health/Check
grpc.health.v1.Health/List
identity_v2.API/SetIdentityServerConfig CLUSTER_IDENTITY_SET_CONFIG
identity_v2.API/GetIdentityServerConfig CLUSTER_IDENTITY_GET_CONFIG
identity_v2.API/CreateIDPConnector CLUSTER_IDENTITY_CREATE_IDP
identity_v2.API/UpdateIDPConnector CLUSTER_IDENTITY_UPDATE_IDP
identity_v2.API/ListIDPConnectors CLUSTER_IDENTITY_LIST_IDPS
identity_v2.API/GetIDPConnector CLUSTER_IDENTITY_GET_IDP
identity_v2.API/DeleteIDPConnector CLUSTER_IDENTITY_DELETE_IDP
identity_v2.API/CreateOIDCClient CLUSTER_IDENTITY_CREATE_OIDC_CLIENT
identity_v2.API/UpdateOIDCClient CLUSTER_IDENTITY_UPDATE_OIDC_CLIENT
identity_v2.API/GetOIDCClient CLUSTER_IDENTITY_GET_OIDC_CLIENT
identity_v2.API/ListOIDCClients CLUSTER_IDENTITY_LIST_OIDC_CLIENTS
identity_v2.API/DeleteOIDCClient CLUSTER_IDENTITY_DELETE_OIDC_CLIENT
identity_v2.API/DeleteAll CLUSTER_DELETE_ALL
license_v2.API/Activate CLUSTER_LICENSE_ACTIVATE
license_v2.API/GetActivationCode CLUSTER_LICENSE_GET_CODE
license_v2.API/AddCluster CLUSTER_LICENSE_ADD_CLUSTER
license_v2.API/UpdateCluster CLUSTER_LICENSE_UPDATE_CLUSTER
license_v2.API/DeleteCluster CLUSTER_LICENSE_DELETE_CLUSTER
license_v2.API/ListClusters CLUSTER_LICENSE_LIST_CLUSTERS
license_v2.API/DeleteAll CLUSTER_DELETE_ALL
license_v2.API/Heartbeat
license_v2.API/ListUserClusters token
pfs_v2.API/ActivateAuth CLUSTER_AUTH_ACTIVATE
pfs_v2.API/CreateProject token
pfs_v2.API/InspectProject token
pfs_v2.API/InspectProjectV2 token
pfs_v2.API/ListProject token
pfs_v2.API/DeleteProject token
pfs_v2.API/CreateRepo token
pfs_v2.API/InspectRepo token
pfs_v2.API/ListRepo token
pfs_v2.API/DeleteRepo token
pfs_v2.API/DeleteRepos token
pfs_v2.API/CreateBranch token
pfs_v2.API/InspectBranch token
pfs_v2.API/ListBranch token
pfs_v2.API/DeleteBranch token
pfs_v2.API/StartCommit token
pfs_v2.API/FinishCommit token
pfs_v2.API/ClearCommit token
pfs_v2.API/InspectCommit token
pfs_v2.API/ListCommit token
pfs_v2.API/SubscribeCommit token
pfs_v2.API/InspectCommitSet token
pfs_v2.API/ListCommitSet token
pfs_v2.API/SquashCommit token
pfs_v2.API/DropCommit token
pfs_v2.API/SquashCommitSet token
pfs_v2.API/DropCommitSet token
pfs_v2.API/ModifyFile token
pfs_v2.API/GetFile token
pfs_v2.API/GetFileTAR token
pfs_v2.API/InspectFile token
pfs_v2.API/ListFile token
pfs_v2.API/WalkFile token
pfs_v2.API/GlobFile token
pfs_v2.API/DiffFile token
pfs_v2.API/FindCommits token
pfs_v2.API/ForgetCommit token
pfs_v2.API/WalkCommitProvenance token
pfs_v2.API/WalkCommitSubvenance token
pfs_v2.API/WalkBranchProvenance token
pfs_v2.API/WalkBranchSubvenance token
pfs_v2.API/CreateFileSet token
pfs_v2.API/GetFileSet token
pfs_v2.API/AddFileSet token
pfs_v2.API/RenewFileSet token
pfs_v2.API/ComposeFileSet token
pfs_v2.API/ShardFileSet token
pfs_v2.API/PutCache token
pfs_v2.API/GetCache token
pfs_v2.API/ClearCache token
pfs_v2.API/DeleteAll CLUSTER_DELETE_ALL
pfs_v2.API/Fsck CLUSTER_DEBUG_DUMP
pfs_v2.API/CheckStorage CLUSTER_DEBUG_DUMP
pfs_v2.API/ListTask CLUSTER_DEBUG_DUMP
pfs_v2.API/Egress -
pfs_v2.API/ReposSummary token
metadata.API/EditMetadata token
data_v1.API/ModifyFiles token
data_v1.API/PreviewRemoval token
data_v1.API/GetStorageUsage CLUSTER_DEBUG_DUMP
transaction_v2.API/StartTransaction token
transaction_v2.API/InspectTransaction token
transaction_v2.API/ListTransaction token
transaction_v2.API/FinishTransaction token
transaction_v2.API/DeleteTransaction token
transaction_v2.API/DeleteAll token
transaction_v2.API/BatchTransaction token
pps_v2.API/ActivateAuth CLUSTER_AUTH_ACTIVATE
pps_v2.API/ListPipeline token
pps_v2.API/DeleteAll CLUSTER_DELETE_ALL
pach_v1.API/GetSignIn
pach_v1.API/Explain token
pach_v1.API/GetSession token
pach_v1.API/BeginRootSession token
pach_v1.API/ListMembers CLUSTER_AUTH_GET_GROUP_USERS
pach_v1.API/ListRoleBindings CLUSTER_GET_BINDINGS
pach_v1.API/ListMaxAges CLUSTER_GET_BINDINGS
pach_v1.API/SetMaxAge token
pach_v1.API/ListAuditEvents CLUSTER_GET_BINDINGS
pach_v1.API/ListTokens token
pach_v1.API/ListRefreshTokens token
pach_v1.API/RevokeSession token
pach_v1.API/ListUsers CLUSTER_AUTH_GET_GROUP_USERS
pach_v1.API/ListGroups CLUSTER_AUTH_GET_GROUPS
pach_v1.API/SetUserEnabled CLUSTER_AUTH_MODIFY_GROUP_MEMBERS
pach_v1.API/DisableUnusedUsers CLUSTER_AUTH_MODIFY_GROUP_MEMBERS
pach_v1.API/RenameUser CLUSTER_AUTH_MODIFY_GROUP_MEMBERS
pach_v1.API/LinkIdentity CLUSTER_AUTH_MODIFY_GROUP_MEMBERS
pach_v1.API/UnlinkIdentity CLUSTER_AUTH_MODIFY_GROUP_MEMBERS
pach_v1.API/RevokeAll CLUSTER_AUTH_REVOKE_USER_TOKENS
pach_v1.API/AllowRobot CLUSTER_MODIFY_BINDINGS
pach_v1.API/ApproveConnector CLUSTER_MODIFY_BINDINGS
pach_v1.API/CreateOIDCClient CLUSTER_IDENTITY_CREATE_OIDC_CLIENT
pach_v1.API/UpdateOIDCClient CLUSTER_IDENTITY_UPDATE_OIDC_CLIENT
pach_v1.API/GetOIDCClient CLUSTER_IDENTITY_GET_OIDC_CLIENT
pach_v1.API/ListOIDCClients CLUSTER_IDENTITY_LIST_OIDC_CLIENTS
pach_v1.API/CreateTrust CLUSTER_IDENTITY_CREATE_IDP
pach_v1.API/TestTrust CLUSTER_IDENTITY_CREATE_IDP
pach_v1.API/ListTrusts CLUSTER_IDENTITY_LIST_IDPS
pach_v1.API/DeleteTrust CLUSTER_IDENTITY_DELETE_IDP
pach_v1.API/ListConnectorStates CLUSTER_IDENTITY_LIST_IDPS
pach_v1.API/CheckConnector CLUSTER_IDENTITY_UPDATE_IDP
pach_v1.API/StartConnectorTest CLUSTER_IDENTITY_UPDATE_IDP
pach_v1.API/WaitConnectorTest CLUSTER_IDENTITY_UPDATE_IDP
pach_v1.API/ApplyConnector CLUSTER_IDENTITY_UPDATE_IDP
pach_v1.API/ConfirmConnector CLUSTER_IDENTITY_UPDATE_IDP
pach_v1.API/SetConnectorEnabled CLUSTER_IDENTITY_UPDATE_IDP
pach_v1.API/ListConnectorRevisions CLUSTER_IDENTITY_GET_IDP
pach_v1.API/RollBackConnector CLUSTER_IDENTITY_UPDATE_IDP
pach_v1.API/PlanConnector CLUSTER_IDENTITY_UPDATE_IDP
pach_v1.API/GetSignInTrace CLUSTER_IDENTITY_UPDATE_IDP
pach_v1.API/ListSignInTraces CLUSTER_IDENTITY_UPDATE_IDP
pach_v1.API/SummarizeSignIns CLUSTER_IDENTITY_UPDATE_IDP
pach_v1.API/CreateSetupLink CLUSTER_IDENTITY_CREATE_IDP
pach_v1.API/ListSetupLinks CLUSTER_IDENTITY_CREATE_IDP
pach_v1.API/GetSetupLink CLUSTER_IDENTITY_CREATE_IDP
pach_v1.API/ApproveSetupLink CLUSTER_IDENTITY_CREATE_IDP
pach_v1.API/DeleteSetupLink CLUSTER_IDENTITY_CREATE_IDP
pach_v1.API/BeginSetup
pach_v1.API/GetSetup
pach_v1.API/CheckSetup
pach_v1.API/StartSetupTest
pach_v1.API/WaitSetupTest
pach_v1.API/SubmitSetup
`

// streams are methods that this test cannot call.
func streams() []string {
	return []string{
		"/grpc.health.v1.Health/Watch", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
		"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
	}
}

func TestMethod_ServesOnlyWhomItsInterfaceNames(t *testing.T) {
	s := pachdtest.Start(t)
	nobody, _ := s.Robot("nobody", 0)
	named := streams()
	for line := range strings.Lines(strings.TrimSpace(wanted)) {
		method, need, _ := strings.Cut(strings.TrimSpace(line), " ")
		method = "/" + method
		named = append(named, method)
		without, with := status.Convert(s.Call(t.Context(), method)), status.Convert(s.Call(nobody, method))
		switch need {
		case "-":
			if with.Code() != codes.Unimplemented {
				t.Errorf("%s: %v", method, with)
			}
		case "":
			if strings.Contains(without.Message(), "no authentication token") {
				t.Errorf("%s asks for a token: %v", method, without)
			}
		case "token":
			if without.Code() != codes.Unauthenticated || with.Code() == codes.Unauthenticated {
				t.Errorf("%s: without a token %v, with one %v", method, without, with)
			}
		default:
			if without.Code() != codes.Unauthenticated || with.Code() != codes.PermissionDenied || !strings.Contains(with.Message(), "["+need+"] on CLUSTER .") {
				t.Errorf("%s: without a token %v, with one %v", method, without, with)
			}
		}
	}
	rows, _ := rpc.Policy()
	for _, method := range slices.Sorted(maps.Keys(rows)) {
		if !slices.Contains(named, method) {
			t.Errorf("say here by hand what %s asks for", method)
		}
	}
}
