// Package probe looks at the connection to an identity provider step by step,
// from its name in the DNS to what only the provider's own protocol can tell.
// Each step of the report says what was found, how long it took and what to do.
package probe
