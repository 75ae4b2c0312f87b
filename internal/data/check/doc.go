// Package check finds what is wrong with the data of an installation: commits and
// branches that break the rules of the graph, files whose trees or bytes are not all
// there, packs that are missing or damaged. It changes nothing.
package check
