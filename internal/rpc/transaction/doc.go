// Package transaction serves transaction_v2: changes of data that are gathered over
// several calls and made together. What may be among them, package pfs knows.
package transaction
