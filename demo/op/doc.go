// Package op is a small real OpenID provider for evaluation and tests: people,
// groups and a login page of its own, on a certified library
// (github.com/zitadel/oidc). It keeps everything in memory.
//
// It is not part of pachd; it is what pachd is connected to.
package op
