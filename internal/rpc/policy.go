package rpc

import (
	"fmt"
	"maps"
	"slices"

	"google.golang.org/grpc"

	"pachyderm/internal/access"
)

// rule says who may call a method.
type rule struct {
	kind ruleKind
	need access.Permission // of clusterPermission and openUntilActivated: on the cluster; 0 for none
}

type ruleKind int

const (
	// public methods need no token.
	public ruleKind = iota + 1
	// optionalToken methods need none either, and answer more to whoever has a good
	// one.
	optionalToken
	// signedIn methods need a valid token; what else they need depends on the
	// request and is checked in the handler.
	signedIn
	// clusterPermission methods need a permission on the cluster.
	clusterPermission
	// openUntilActivated methods need a token, and perhaps a permission on the
	// cluster, while authentication is active, and nothing while it is not.
	openUntilActivated
	// publicOnceActivated methods need no token, but authentication.
	publicOnceActivated
	// unimplemented methods are part of upstream's interface that pachd does not
	// have yet; whoever calls one is told so.
	unimplemented
)

func need(p access.Permission) rule { return rule{kind: clusterPermission, need: p} }

// policy is the whole interface's access on one page. New refuses a server
// with a method that has no row, and a row that has no method.
func policy() map[string]rule {
	rows := map[string]rule{}
	maps.Copy(rows, authPolicy())
	maps.Copy(rows, identityPolicy())
	maps.Copy(rows, pachPolicy())
	maps.Copy(rows, enterprisePolicy())
	maps.Copy(rows, dataPolicy())
	maps.Copy(rows, map[string]rule{
		"/admin_v2.API/InspectCluster":   {kind: optionalToken},
		"/admin_v2.API/RestartPachyderm": {kind: unimplemented},

		"/versionpb_v2.API/GetVersion": {kind: public},

		"/pfs_v2.API/ActivateAuth": need(access.ClusterAuthActivate),
		"/pps_v2.API/ActivateAuth": need(access.ClusterAuthActivate),

		"/grpc.health.v1.Health/Check": {kind: public},
		"/grpc.health.v1.Health/Watch": {kind: public},
		"/grpc.health.v1.Health/List":  {kind: public},

		// What the interface is, is no secret.
		"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo":      {kind: public},
		"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": {kind: public},
	})
	return rows
}

func authPolicy() map[string]rule {
	return map[string]rule{
		// Whoever activates becomes the administrator: there is none yet.
		"/auth_v2.API/Activate":     {kind: public},
		"/auth_v2.API/GetOIDCLogin": {kind: public},
		"/auth_v2.API/Authenticate": {kind: publicOnceActivated},

		"/auth_v2.API/WhoAmI":                {kind: signedIn},
		"/auth_v2.API/Authorize":             {kind: signedIn},
		"/auth_v2.API/GetPermissions":        {kind: signedIn},
		"/auth_v2.API/GetRolesForPermission": {kind: signedIn},
		"/auth_v2.API/GetRoleBinding":        {kind: signedIn},
		"/auth_v2.API/ModifyRoleBinding":     {kind: signedIn},
		"/auth_v2.API/RevokeAuthToken":       {kind: signedIn},
		"/auth_v2.API/GetGroups":             {kind: signedIn},

		"/auth_v2.API/Deactivate":                 need(access.ClusterAuthDeactivate),
		"/auth_v2.API/GetConfiguration":           need(access.ClusterAuthGetConfig),
		"/auth_v2.API/SetConfiguration":           need(access.ClusterAuthSetConfig),
		"/auth_v2.API/SetGroupsForUser":           need(access.ClusterAuthModifyGroupMembers),
		"/auth_v2.API/ModifyMembers":              need(access.ClusterAuthModifyGroupMembers),
		"/auth_v2.API/GetUsers":                   need(access.ClusterAuthGetGroupUsers),
		"/auth_v2.API/GetGroupsForPrincipal":      need(access.ClusterAuthGetGroups),
		"/auth_v2.API/GetPermissionsForPrincipal": need(access.ClusterAuthGetPermissionsForPrincipal),
		"/auth_v2.API/GetRobotToken":              need(access.ClusterAuthGetRobotToken),
		"/auth_v2.API/RevokeAuthTokensForUser":    need(access.ClusterAuthRevokeUserTokens),
		"/auth_v2.API/ExtractAuthTokens":          need(access.ClusterAuthExtractTokens),
		"/auth_v2.API/RestoreAuthToken":           need(access.ClusterAuthRestoreToken),
		"/auth_v2.API/DeleteExpiredAuthTokens":    need(access.ClusterAuthDeleteExpiredTokens),
		"/auth_v2.API/RotateRootToken":            need(access.ClusterAuthRotateRootToken),
	}
}

func identityPolicy() map[string]rule {
	return map[string]rule{
		"/identity_v2.API/SetIdentityServerConfig": need(access.ClusterIdentitySetConfig),
		"/identity_v2.API/GetIdentityServerConfig": need(access.ClusterIdentityGetConfig),
		"/identity_v2.API/CreateIDPConnector":      need(access.ClusterIdentityCreateIDP),
		"/identity_v2.API/UpdateIDPConnector":      need(access.ClusterIdentityUpdateIDP),
		"/identity_v2.API/ListIDPConnectors":       need(access.ClusterIdentityListIDPs),
		"/identity_v2.API/GetIDPConnector":         need(access.ClusterIdentityGetIDP),
		"/identity_v2.API/DeleteIDPConnector":      need(access.ClusterIdentityDeleteIDP),
		"/identity_v2.API/CreateOIDCClient":        need(access.ClusterIdentityCreateOIDCClient),
		"/identity_v2.API/UpdateOIDCClient":        need(access.ClusterIdentityUpdateOIDCClient),
		"/identity_v2.API/GetOIDCClient":           need(access.ClusterIdentityGetOIDCClient),
		"/identity_v2.API/ListOIDCClients":         need(access.ClusterIdentityListOIDCClients),
		"/identity_v2.API/DeleteOIDCClient":        need(access.ClusterIdentityDeleteOIDCClient),
		"/identity_v2.API/DeleteAll":               need(access.ClusterDeleteAll),
	}
}

func pachPolicy() map[string]rule {
	return map[string]rule{
		"/pach_v1.API/GetSignIn":  {kind: public},
		"/pach_v1.API/Explain":    {kind: signedIn},
		"/pach_v1.API/GetSession": {kind: signedIn},
		// The handler takes no caller but root.
		"/pach_v1.API/BeginRootSession": {kind: signedIn},
		"/pach_v1.API/ListTokens":       {kind: signedIn},
		// Everybody their own.
		"/pach_v1.API/ListRefreshTokens": {kind: signedIn},
		"/pach_v1.API/RevokeSession":     {kind: signedIn},

		"/pach_v1.API/ListUsers":   need(access.ClusterAuthGetGroupUsers),
		"/pach_v1.API/ListGroups":  need(access.ClusterAuthGetGroups),
		"/pach_v1.API/ListMembers": need(access.ClusterAuthGetGroupUsers),
		// What everybody may do, and what everybody has done.
		"/pach_v1.API/ListRoleBindings": need(access.ClusterGetBindings),
		"/pach_v1.API/ListMaxAges":      need(access.ClusterGetBindings),
		"/pach_v1.API/SetMaxAge":        {kind: signedIn},
		"/pach_v1.API/ListAuditEvents":  need(access.ClusterGetBindings),
		// To be in a group, or to be a person, is to have their roles; only
		// cluster administrators may say so.
		"/pach_v1.API/SetUserEnabled":     need(access.ClusterAuthModifyGroupMembers),
		"/pach_v1.API/DisableUnusedUsers": need(access.ClusterAuthModifyGroupMembers),
		"/pach_v1.API/RenameUser":         need(access.ClusterAuthModifyGroupMembers),
		"/pach_v1.API/LinkIdentity":       need(access.ClusterAuthModifyGroupMembers),
		"/pach_v1.API/UnlinkIdentity":     need(access.ClusterAuthModifyGroupMembers),
		"/pach_v1.API/RevokeAll":          need(access.ClusterAuthRevokeUserTokens),
		// A robot's token has the robot's roles.
		"/pach_v1.API/AllowRobot":       need(access.ClusterModifyBindings),
		"/pach_v1.API/UpdateOIDCClient": need(access.ClusterIdentityUpdateOIDCClient),
		"/pach_v1.API/CreateOIDCClient": need(access.ClusterIdentityCreateOIDCClient),
		"/pach_v1.API/GetOIDCClient":    need(access.ClusterIdentityGetOIDCClient),
		"/pach_v1.API/ListOIDCClients":  need(access.ClusterIdentityListOIDCClients),

		// A trust gives robots' tokens for the word of another server, which pachd
		// asks for its keys; CreateTrust also needs what get-robot-token does.
		"/pach_v1.API/CreateTrust": need(access.ClusterIdentityCreateIDP),
		"/pach_v1.API/TestTrust":   need(access.ClusterIdentityCreateIDP),
		"/pach_v1.API/ListTrusts":  need(access.ClusterIdentityListIDPs),
		"/pach_v1.API/DeleteTrust": need(access.ClusterIdentityDeleteIDP),

		"/pach_v1.API/ListConnectorStates": need(access.ClusterIdentityListIDPs),
		// Both have pachd connect to where the document says, with its secrets.
		"/pach_v1.API/ApproveConnector":       need(access.ClusterModifyBindings),
		"/pach_v1.API/CheckConnector":         need(access.ClusterIdentityUpdateIDP),
		"/pach_v1.API/StartConnectorTest":     need(access.ClusterIdentityUpdateIDP),
		"/pach_v1.API/WaitConnectorTest":      need(access.ClusterIdentityUpdateIDP),
		"/pach_v1.API/ApplyConnector":         need(access.ClusterIdentityUpdateIDP),
		"/pach_v1.API/ConfirmConnector":       need(access.ClusterIdentityUpdateIDP),
		"/pach_v1.API/SetConnectorEnabled":    need(access.ClusterIdentityUpdateIDP),
		"/pach_v1.API/ListConnectorRevisions": need(access.ClusterIdentityGetIDP),
		"/pach_v1.API/RollBackConnector":      need(access.ClusterIdentityUpdateIDP),
		"/pach_v1.API/PlanConnector":          need(access.ClusterIdentityUpdateIDP),
		// For others to prepare a connector is a part of making one.
		"/pach_v1.API/CreateSetupLink":  need(access.ClusterIdentityCreateIDP),
		"/pach_v1.API/ListSetupLinks":   need(access.ClusterIdentityCreateIDP),
		"/pach_v1.API/GetSetupLink":     need(access.ClusterIdentityCreateIDP),
		"/pach_v1.API/ApproveSetupLink": need(access.ClusterIdentityCreateIDP),
		"/pach_v1.API/DeleteSetupLink":  need(access.ClusterIdentityCreateIDP),
		// The link is what its holder shows; it is about one connector that is none yet.
		"/pach_v1.API/BeginSetup":       {kind: public},
		"/pach_v1.API/GetSetup":         {kind: public},
		"/pach_v1.API/CheckSetup":       {kind: public},
		"/pach_v1.API/StartSetupTest":   {kind: public},
		"/pach_v1.API/WaitSetupTest":    {kind: public},
		"/pach_v1.API/SubmitSetup":      {kind: public},
		"/pach_v1.API/GetSignInTrace":   need(access.ClusterIdentityUpdateIDP),
		"/pach_v1.API/ListSignInTraces": need(access.ClusterIdentityUpdateIDP),
		"/pach_v1.API/SummarizeSignIns": need(access.ClusterIdentityUpdateIDP),
	}
}

func enterprisePolicy() map[string]rule {
	untilActivated := func(p access.Permission) rule { return rule{kind: openUntilActivated, need: p} }
	return map[string]rule{
		"/enterprise_v2.API/GetState":          {kind: public},
		"/enterprise_v2.API/Activate":          untilActivated(access.ClusterEnterpriseActivate),
		"/enterprise_v2.API/GetActivationCode": untilActivated(access.ClusterEnterpriseGetCode),
		"/enterprise_v2.API/Heartbeat":         untilActivated(access.ClusterEnterpriseHeartbeat),
		"/enterprise_v2.API/Deactivate":        untilActivated(access.ClusterEnterpriseDeactivate),
		"/enterprise_v2.API/Pause":             untilActivated(access.ClusterEnterprisePause),
		"/enterprise_v2.API/Unpause":           untilActivated(access.ClusterEnterprisePause),
		"/enterprise_v2.API/PauseStatus":       {kind: openUntilActivated},

		"/license_v2.API/Activate":          untilActivated(access.ClusterLicenseActivate),
		"/license_v2.API/GetActivationCode": untilActivated(access.ClusterLicenseGetCode),
		"/license_v2.API/AddCluster":        untilActivated(access.ClusterLicenseAddCluster),
		"/license_v2.API/UpdateCluster":     untilActivated(access.ClusterLicenseUpdateCluster),
		"/license_v2.API/DeleteCluster":     untilActivated(access.ClusterLicenseDeleteCluster),
		"/license_v2.API/ListClusters":      untilActivated(access.ClusterLicenseListClusters),
		"/license_v2.API/DeleteAll":         untilActivated(access.ClusterDeleteAll),
		"/license_v2.API/ListUserClusters":  {kind: openUntilActivated},
		// A cluster shows its own secret.
		"/license_v2.API/Heartbeat": {kind: public},
	}
}

// checkPolicy compares the table with what a server has registered.
func checkPolicy(rows map[string]rule, services map[string]grpc.ServiceInfo) error {
	methods := map[string]bool{}
	for service, info := range services {
		for _, m := range info.Methods {
			methods["/"+service+"/"+m.Name] = true
		}
	}
	for _, m := range slices.Sorted(maps.Keys(methods)) {
		if rows[m].kind == 0 {
			return fmt.Errorf("method %s has no row in the policy table", m)
		}
	}
	for _, m := range slices.Sorted(maps.Keys(rows)) {
		if !methods[m] {
			return fmt.Errorf("the policy table has a row for %s, which no service has", m)
		}
	}
	return nil
}
