// Package saml signs people in through a SAML 2.0 identity provider: it is the
// service provider behind connectors of type saml, written to Dex's connector
// interface.
//
// What a message says counts only as far as a certificate from the connector's
// configuration or the provider's metadata vouches for it, and only as read from
// the bytes that were verified. There is no switch that turns this off, no
// sign-in that we did not ask for, and no encrypted assertion. Which browser a
// sign-in belongs to, and who may use a connector, are for its callers.
package saml
