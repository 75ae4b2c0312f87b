// Package convert turns what pfs_v2 carries on the wire into names of the graph, and
// what the graph knows into messages.
package convert
