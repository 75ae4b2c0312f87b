// Package metadata is the command that attaches keys and values to projects,
// repositories, branches, commits and the cluster.
package metadata
