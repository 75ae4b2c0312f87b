// Package setuplink lets the administrator of an identity provider, who is nobody here,
// prepare a connector: they get a link for one connector, which works once, in one
// browser, for a short while. With it they check a document, sign in with it to see
// what comes of it, and hand it in. It has no authority: what they hand in is kept,
// sealed, beside the connectors, and is one of them when somebody approves it who may
// make connectors.
package setuplink
