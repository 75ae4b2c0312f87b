// Package profile checks what SAML messages say about themselves: the rules of the
// Web Browser SSO Profile, for messages whose signatures are verified already.
package profile
