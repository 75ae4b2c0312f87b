// Package pfs is as much of pfs_v2 as the front door touches: names of projects
// and repositories, and a part of activation. Generated; rpc serves it.
package pfs
