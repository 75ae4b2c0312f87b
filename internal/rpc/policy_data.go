package rpc

import "pachyderm/internal/access"

// dataPolicy is pfs_v2's. Data may be used before authentication is activated, as
// upstream has it. What a caller needs depends on the repository: package pfs asks.
func dataPolicy() map[string]rule {
	rows := map[string]rule{}
	for _, method := range []string{
		"CreateProject", "InspectProject", "InspectProjectV2", "ListProject", "DeleteProject",
		"CreateRepo", "InspectRepo", "ListRepo", "DeleteRepo", "DeleteRepos",
		"CreateBranch", "InspectBranch", "ListBranch", "DeleteBranch",
		"StartCommit", "FinishCommit", "ClearCommit", "InspectCommit", "ListCommit", "SubscribeCommit", "InspectCommitSet", "ListCommitSet",
		"SquashCommit", "DropCommit", "SquashCommitSet", "DropCommitSet",
		"ModifyFile", "GetFile", "GetFileTAR", "InspectFile", "ListFile", "WalkFile", "GlobFile", "DiffFile",
	} {
		rows["/pfs_v2.API/"+method] = rule{kind: openUntilActivated}
	}
	for _, method := range []string{"Fsck", "CheckStorage"} {
		rows["/pfs_v2.API/"+method] = rule{kind: openUntilActivated, need: access.ClusterDebugDump}
	}
	for _, method := range []string{
		"FindCommits", "ForgetCommit",
		"WalkCommitProvenance", "WalkCommitSubvenance", "WalkBranchProvenance", "WalkBranchSubvenance",
		"CreateFileSet", "GetFileSet", "AddFileSet", "RenewFileSet", "ComposeFileSet", "ShardFileSet", "PutCache", "GetCache", "ClearCache",
		"DeleteAll", "ListTask", "Egress", "ReposSummary",
	} {
		rows["/pfs_v2.API/"+method] = rule{kind: unimplemented}
	}
	return rows
}
