// Package probe is the ladder by which a connection to an identity provider is
// checked, from its name in the DNS to what only the provider's own protocol
// can tell. Each step says what was found, how long it took and what to do.
package probe
