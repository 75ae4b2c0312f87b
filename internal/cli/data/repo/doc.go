// Package repo has the commands about projects and repositories.
package repo
