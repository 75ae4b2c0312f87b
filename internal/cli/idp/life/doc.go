// Package life has the commands of pachctl idp about the life of a connector: whether
// people may sign in with it, what it was before, and changes that undo themselves.
package life
