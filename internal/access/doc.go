// Package access says who may do what: permissions, roles, resources, the
// bindings between them, and the decision that follows.
//
// Decide and Explain are pure: an Index holds the bindings in memory and does
// no I/O. Who the subject is, which groups it has and whether its session is
// alive is settled before anybody asks here.
package access
