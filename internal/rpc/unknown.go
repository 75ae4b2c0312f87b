package rpc

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"pachyderm/internal/fault"
	"pachyderm/internal/strict"
)

// reads are the methods that change nothing. They may be called within a
// transaction; and over REST they ignore fields that they do not know, as a newer
// client may send. All others refuse these, since a misspelt field would be an
// absent one, and so take all roles away or make a token without end.
var reads = []string{
	"/auth_v2.API/Authorize", "/auth_v2.API/ExtractAuthTokens", "/auth_v2.API/GetConfiguration", "/auth_v2.API/GetGroups",
	"/auth_v2.API/GetGroupsForPrincipal", "/auth_v2.API/GetPermissions", "/auth_v2.API/GetPermissionsForPrincipal",
	"/auth_v2.API/GetRoleBinding", "/auth_v2.API/GetRolesForPermission", "/auth_v2.API/GetUsers", "/auth_v2.API/WhoAmI",
	"/identity_v2.API/GetIDPConnector", "/identity_v2.API/GetIdentityServerConfig", "/identity_v2.API/GetOIDCClient",
	"/identity_v2.API/ListIDPConnectors", "/identity_v2.API/ListOIDCClients",
	"/pfs_v2.API/DiffFile", "/pfs_v2.API/GetFile", "/pfs_v2.API/GetFileTAR", "/pfs_v2.API/GlobFile", "/pfs_v2.API/InspectBranch",
	"/pfs_v2.API/InspectCommit", "/pfs_v2.API/InspectCommitSet", "/pfs_v2.API/InspectFile", "/pfs_v2.API/InspectProject",
	"/pfs_v2.API/InspectProjectV2", "/pfs_v2.API/InspectRepo", "/pfs_v2.API/ListBranch", "/pfs_v2.API/ListCommit", "/pfs_v2.API/ListCommitSet",
	"/pfs_v2.API/ListFile", "/pfs_v2.API/ListProject", "/pfs_v2.API/ListRepo", "/pfs_v2.API/SubscribeCommit", "/pfs_v2.API/WalkFile",
	"/pfs_v2.API/FindCommits", "/pfs_v2.API/GetCache", "/pfs_v2.API/ReposSummary", "/pfs_v2.API/ShardFileSet",
	"/pfs_v2.API/WalkBranchProvenance", "/pfs_v2.API/WalkBranchSubvenance",
	"/pfs_v2.API/WalkCommitProvenance", "/pfs_v2.API/WalkCommitSubvenance",
	"/data_v1.API/GetStorageUsage", "/data_v1.API/PreviewRemoval", "/pfs_v2.API/ListTask",
	"/pps_v2.API/ListPipeline", "/transaction_v2.API/InspectTransaction", "/transaction_v2.API/ListTransaction",
	"/admin_v2.API/InspectCluster", "/versionpb_v2.API/GetVersion",
	"/pach_v1.API/Explain", "/pach_v1.API/GetOIDCClient", "/pach_v1.API/GetSession", "/pach_v1.API/GetSignIn", "/pach_v1.API/ListAuditEvents",
	"/pach_v1.API/ListMembers", "/pach_v1.API/ListMaxAges", "/pach_v1.API/ListRoleBindings", "/pach_v1.API/ListConnectorStates",
	"/pach_v1.API/ListGroups", "/pach_v1.API/ListTokens", "/pach_v1.API/ListTrusts", "/pach_v1.API/ListUsers", "/pach_v1.API/TestTrust",
	"/pach_v1.API/WaitConnectorTest", "/pach_v1.API/GetSignInTrace", "/pach_v1.API/ListConnectorRevisions", "/pach_v1.API/ListSignInTraces",
	"/pach_v1.API/GetSetup", "/pach_v1.API/GetSetupLink", "/pach_v1.API/ListSetupLinks", "/pach_v1.API/WaitSetupTest",
	"/pach_v1.API/PlanConnector", "/pach_v1.API/SummarizeSignIns",
	"/enterprise_v2.API/GetActivationCode", "/enterprise_v2.API/GetState", "/enterprise_v2.API/PauseStatus",
	"/license_v2.API/GetActivationCode", "/license_v2.API/ListClusters", "/license_v2.API/ListUserClusters",
}

// checkBody refuses, in a request to a method that changes something, a field
// that the method does not have. Fault: Invalid, at the field.
func checkBody(r *http.Request) error {
	input := inputOf(r.URL.Path)
	if input == nil || slices.Contains(reads, r.URL.Path) {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return fault.New(fault.Invalid, "the request cannot be read, or is larger than is accepted").Because(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	var document any
	if err := json.Unmarshal(body, &document); err != nil {
		return fault.New(fault.Invalid, "the request is not JSON: %v", err)
	}
	return checkFields(input, document, "")
}

// inputOf is the message that a method takes, by its full name.
func inputOf(method string) protoreflect.MessageDescriptor {
	service, name := splitMethod(method)
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
	desc, ok := found.(protoreflect.ServiceDescriptor)
	if err != nil || !ok {
		return nil
	}
	if m := desc.Methods().ByName(protoreflect.Name(name)); m != nil {
		return m.Input()
	}
	return nil
}

func splitMethod(method string) (service, name string) {
	i := strings.LastIndexByte(method, '/')
	if i <= 0 {
		return "", ""
	}
	return method[1:i], method[i+1:]
}

func checkFields(message protoreflect.MessageDescriptor, document any, path string) error {
	if list, ok := document.([]any); ok {
		for _, item := range list {
			if err := checkFields(message, item, path); err != nil {
				return err
			}
		}
		return nil
	}
	members, ok := document.(map[string]any)
	if !ok || message.ParentFile().Package() == "google.protobuf" { // those have a JSON of their own
		return nil
	}
	fields := message.Fields()
	for _, name := range slices.Sorted(maps.Keys(members)) {
		field := fields.ByJSONName(name)
		if field == nil {
			field = fields.ByTextName(name)
		}
		if field == nil {
			return unknownField(fields, path+name, name)
		}
		if field.Message() == nil || field.IsMap() {
			continue
		}
		if err := checkFields(field.Message(), members[name], path+name+"."); err != nil {
			return err
		}
	}
	return nil
}

func unknownField(fields protoreflect.FieldDescriptors, at, name string) error {
	known := make([]string, fields.Len())
	for n := range known {
		known[n] = fields.Get(n).JSONName()
	}
	return fault.New(fault.Invalid, "%s: %s", at, strict.Suggest(name, known)).At(at)
}
