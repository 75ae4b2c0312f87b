// Package optest is for tests: it starts a demo provider, and walks through a
// sign-in as a browser would, with cookies, redirects and forms but without
// running one.
package optest
