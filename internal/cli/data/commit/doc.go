// Package commit has the commands about branches and commits.
package commit
