// Package loginctx is what our side knows of one HTTP request of a login that
// Dex does not hand on: the browser, the connector revision, why it was refused.
// It travels in the context; what must outlive the request is kept in the auth
// request as Dex's connector data.
package loginctx
