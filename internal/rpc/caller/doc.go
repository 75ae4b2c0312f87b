// Package caller says, in a call's context, who makes it: the way in of every
// call finds out and puts it there, the services read it.
package caller
