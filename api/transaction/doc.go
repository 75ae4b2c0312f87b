// Package transaction is upstream's transaction_v2: several changes of data that are
// made together or not at all.
package transaction
