// Package auth has the commands of pachctl auth that manage who may do what:
// roles, groups, users and tokens. Signing in is package signin, and whether
// authentication is on is package activation.
package auth
