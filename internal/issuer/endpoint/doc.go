// Package endpoint is what the issuer's endpoints that applications call have in
// common: how a request is read, and answered, with success or an error (RFC 6749,
// 3.2, 5.1 and 5.2).
package endpoint
