// Package xmltree reads XML that is to mean one thing to every reader, and finds
// its way about in it by namespace.
package xmltree
