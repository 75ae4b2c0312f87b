// Package graph keeps projects, repositories, branches and commits, and how commits
// come from one another: parents within a repository, provenance across them. A
// commit's files are a root that graph stores and does not read.
//
// What changes it is a method of Change, which is one transaction of the database
// and one global id: every commit that it makes has that id.
package graph
