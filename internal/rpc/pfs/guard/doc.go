// Package guard asks whether the caller may do something to a project or a repository.
// What one may not see is not there (decision 0008).
package guard
