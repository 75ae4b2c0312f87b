// Package metadata reads what a SAML identity provider publishes of itself.
package metadata
