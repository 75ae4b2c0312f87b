// Package authtime says when a person last proved to their provider who they are, as
// far as that is known, and how old it may be: max_age and auth_time of OpenID Connect
// Core, 3.1.2.1 and 2, which SAML calls ForceAuthn and AuthnInstant.
package authtime
