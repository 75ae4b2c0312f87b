// Package signed opens SAML messages: it holds them to a shape in which what is
// signed and what is read cannot differ, and verifies their signatures.
package signed
