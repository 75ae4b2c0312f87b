// Package cluster knows the other installations that registered with this one,
// as clients of upstream 2.0 to 2.11 have them do. Nothing depends on it: no
// feature asks for a registration, or for a key.
package cluster
