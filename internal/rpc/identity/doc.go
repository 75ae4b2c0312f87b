// Package identity serves identity_v2: connectors, applications and settings
// of the identity service.
package identity
