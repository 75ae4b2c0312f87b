// Package clientkey keeps the keys that pachd signs with when it authenticates
// as a client of identity providers by private_key_jwt (OpenID Connect Core, 9):
// one of each algorithm for the whole deployment, sealed in the database. They
// sign nothing else, so that what one signs is never an ID token of ours.
package clientkey
