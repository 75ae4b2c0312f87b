// Package login is pachd as an OIDC client, of its own issuer or of another
// server that is configured: it turns a finished sign-in into a session token.
//
// pachctl brings an ID token that it got by itself; upstream's pachctl has
// pachd wait for the browser on its behalf, and then the person in the browser
// must say yes, because whoever holds the state gets the token.
package login
