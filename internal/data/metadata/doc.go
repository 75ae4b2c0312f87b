// Package metadata attaches keys and values to projects, repositories, branches, commits
// and the cluster.
package metadata
