package rpc

import "pachyderm/internal/access"

// dataPolicy is pfs_v2's and transaction_v2's. Data may be used before authentication is activated, as
// upstream has it. What a caller needs depends on the repository: package pfs asks.
func dataPolicy() map[string]rule {
	rows := map[string]rule{}
	for _, method := range []string{
		"CreateProject", "InspectProject", "InspectProjectV2", "ListProject", "DeleteProject",
		"CreateRepo", "InspectRepo", "ListRepo", "DeleteRepo", "DeleteRepos",
		"CreateBranch", "InspectBranch", "ListBranch", "DeleteBranch",
		"StartCommit", "FinishCommit", "ClearCommit", "InspectCommit", "ListCommit", "SubscribeCommit", "InspectCommitSet", "ListCommitSet",
		"SquashCommit", "DropCommit", "SquashCommitSet", "DropCommitSet", "ForgetCommit",
		"FindCommits", "WalkCommitProvenance", "WalkCommitSubvenance", "WalkBranchProvenance", "WalkBranchSubvenance", "ReposSummary",
		"ModifyFile", "GetFile", "GetFileTAR", "InspectFile", "ListFile", "WalkFile", "GlobFile", "DiffFile",
		// Sets are their maker's, and the cache is that of pipelines: package sets asks.
		"CreateFileSet", "GetFileSet", "AddFileSet", "RenewFileSet", "ComposeFileSet", "ShardFileSet", "PutCache", "GetCache", "ClearCache",
	} {
		rows["/pfs_v2.API/"+method] = rule{kind: openUntilActivated}
	}
	rows["/data_v1.API/ModifyFiles"] = rule{kind: openUntilActivated}
	rows["/data_v1.API/PreviewRemoval"] = rule{kind: openUntilActivated}
	rows["/data_v1.API/GetStorageUsage"] = rule{kind: openUntilActivated, need: access.ClusterDebugDump}
	rows["/metadata.API/EditMetadata"] = rule{kind: openUntilActivated}
	rows["/pps_v2.API/ListPipeline"] = rule{kind: openUntilActivated}
	rows["/pps_v2.API/DeleteAll"] = rule{kind: openUntilActivated, need: access.ClusterDeleteAll}
	rows["/pfs_v2.API/DeleteAll"] = rule{kind: openUntilActivated, need: access.ClusterDeleteAll}
	for _, method := range []string{"Fsck", "CheckStorage", "ListTask"} {
		rows["/pfs_v2.API/"+method] = rule{kind: openUntilActivated, need: access.ClusterDebugDump}
	}
	rows["/pfs_v2.API/Egress"] = rule{kind: unimplemented}
	for _, method := range []string{
		"StartTransaction", "InspectTransaction", "ListTransaction", "FinishTransaction", "DeleteTransaction", "DeleteAll", "BatchTransaction",
	} {
		rows["/transaction_v2.API/"+method] = rule{kind: openUntilActivated}
	}
	return rows
}

// inTransactions are the methods that a caller's transaction can gather.
var inTransactions = []string{
	"/pfs_v2.API/CreateRepo", "/pfs_v2.API/DeleteRepo", "/pfs_v2.API/StartCommit", "/pfs_v2.API/FinishCommit", "/pfs_v2.API/SquashCommitSet",
	"/pfs_v2.API/CreateBranch", "/pfs_v2.API/DeleteBranch",
	"/transaction_v2.API/FinishTransaction", "/transaction_v2.API/DeleteTransaction", "/transaction_v2.API/StartTransaction",
}
