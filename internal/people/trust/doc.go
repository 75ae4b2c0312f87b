// Package trust has the trusts that administrators have put into other issuers,
// such as Kubernetes or a CI system: which of their workloads may act as which
// robot (workload identity federation).
//
// It decides about claims that somebody else has verified, and does not know who
// may make a trust (package session).
package trust
