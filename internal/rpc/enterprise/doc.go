// Package enterprise answers what clients of upstream 2.0 to 2.11 ask of
// licences. Every feature is in pachd and no key is needed, so the answer is
// always that it is active; what registers is remembered, and nothing waits
// for it.
package enterprise
