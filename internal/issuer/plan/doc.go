// Package plan says what a document would change before it is stored: which keys and,
// by making the sign-ins that were again with it, for which people; and whether
// somebody who administers the cluster could still sign in.
package plan
