// Package history reads commits as people look at them: the list of a repository, the
// commits of a global id, and those that are waited for.
package history
