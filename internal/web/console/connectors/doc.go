// Package connectors is the console's area for connectors: their health, the guided
// way to a new one, tests of sign-ins, and changes that overtake nobody else's.
//
// A connector that is being set up is a draft: sealed, in the form itself, for the
// session that began it. Nothing of it is stored until it is activated.
package connectors
