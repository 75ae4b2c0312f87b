// Package freshness holds bindings of groups to rules about how old the fact may be
// that somebody is in the group. A role that hangs on a fact which is too old does not
// count until the fact is read again.
package freshness
