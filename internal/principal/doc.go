// Package principal names those who act and those who are granted roles:
// user:alice@example.com, robot:ci, group:engineers, pipeline:p/n, pach:root,
// internal:auth-server and allClusterUsers.
//
// It parses and formats names; whether such a principal exists is not its
// business. The forms are upstream's (its roles and bindings carry them).
package principal
