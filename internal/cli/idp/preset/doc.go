// Package preset has the connector documents of providers that many
// organisations have, and what to register with each.
package preset
