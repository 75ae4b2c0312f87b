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
	need access.Permission // of clusterNeed: on the cluster
}

type ruleKind int

const (
	// public methods need no token.
	public ruleKind = iota + 1
	// signedIn methods need a valid token; what else they need depends on the
	// request and is checked in the handler.
	signedIn
	// clusterNeed methods need a permission on the cluster.
	clusterNeed
	// later methods are part of upstream's interface that pachd does not have
	// yet; whoever calls one is told so.
	later
)

func need(p access.Permission) rule { return rule{kind: clusterNeed, need: p} }

// policy is the whole interface's access on one page. New refuses a server
// with a method that has no row, and a row that has no method.
func policy() map[string]rule {
	rows := map[string]rule{
		"/admin_v2.API/InspectCluster":   {kind: public},
		"/admin_v2.API/RestartPachyderm": {kind: later},

		"/versionpb_v2.API/GetVersion": {kind: public},

		"/pach_v1.API/GetSignIn": {kind: public},

		"/auth_v2.API/GetOIDCLogin":               {kind: public},
		"/auth_v2.API/Authenticate":               {kind: public},
		"/auth_v2.API/WhoAmI":                     {kind: signedIn},
		"/auth_v2.API/Authorize":                  {kind: signedIn},
		"/auth_v2.API/GetPermissions":             {kind: signedIn},
		"/auth_v2.API/GetRolesForPermission":      {kind: signedIn},
		"/auth_v2.API/GetRoleBinding":             {kind: signedIn},
		"/auth_v2.API/ModifyRoleBinding":          {kind: signedIn},
		"/auth_v2.API/RevokeAuthToken":            {kind: signedIn},
		"/auth_v2.API/GetGroups":                  {kind: signedIn},
		"/auth_v2.API/GetGroupsForPrincipal":      need(access.ClusterAuthGetGroups),
		"/auth_v2.API/GetRobotToken":              need(access.ClusterAuthGetRobotToken),
		"/auth_v2.API/RevokeAuthTokensForUser":    need(access.ClusterAuthRevokeUserTokens),
		"/auth_v2.API/GetPermissionsForPrincipal": need(access.ClusterAuthGetPermissionsForPrincipal),

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

		"/grpc.health.v1.Health/Check": {kind: public},
		"/grpc.health.v1.Health/Watch": {kind: public},
		"/grpc.health.v1.Health/List":  {kind: public},
	}
	for _, m := range notYet {
		rows[m] = rule{kind: later}
	}
	return rows
}

// notYet lists the methods that belong to the next step.
var notYet = []string{
	"/auth_v2.API/Activate",
	"/auth_v2.API/Deactivate",
	"/auth_v2.API/GetConfiguration",
	"/auth_v2.API/SetConfiguration",
	"/auth_v2.API/SetGroupsForUser",
	"/auth_v2.API/ModifyMembers",
	"/auth_v2.API/GetUsers",
	"/auth_v2.API/ExtractAuthTokens",
	"/auth_v2.API/RestoreAuthToken",
	"/auth_v2.API/DeleteExpiredAuthTokens",
	"/auth_v2.API/RotateRootToken",
	"/identity_v2.API/DeleteAll",
	"/pach_v1.API/Explain",
	"/pach_v1.API/ListUsers",
	"/pach_v1.API/SetUserEnabled",
	"/pach_v1.API/LinkIdentity",
	"/pach_v1.API/UnlinkIdentity",
	"/pach_v1.API/ListTokens",
	"/pach_v1.API/RevokeAll",
	"/pach_v1.API/ListGroups",
	"/pach_v1.API/UpdateOIDCClient",
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
