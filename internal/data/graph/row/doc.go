// Package row is the rows of the graph: the names of projects, repositories, branches
// and commits, their types, and all SQL about them. Which changes are allowed, and
// what follows from one, is in package graph.
package row
