// Package transaction has the commands about transactions: changes of data that are
// gathered, and then made together or not at all.
package transaction
