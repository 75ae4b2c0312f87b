// Package exchange gives workloads tokens of robots for tokens that another
// issuer has given them (OAuth 2.0 Token Exchange, RFC 8693), where package
// trust says that they may have them.
package exchange
