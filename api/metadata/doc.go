// Package metadata holds the messages and client of metadata.API, which attaches keys and
// values to projects, repositories, branches, commits and the cluster. The wire is upstream's.
package metadata
