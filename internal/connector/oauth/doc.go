// Package oauth signs people in through a provider that has OAuth 2.0 and says
// who they are at an address of its own, but no OpenID Connect.
//
// It is our own because Dex's follows redirects to anywhere with the token, and
// believes groups in a token that nobody has verified.
package oauth
