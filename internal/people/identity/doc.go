// Package identity knows people: who has signed in, which identity at which
// provider proves that it is they, and the groups they belong to, each with
// the source that says so.
//
// A person is an identity (connector instance, issuer, subject), not an e-mail
// address: the first identity to sign in under an address owns it.
package identity
