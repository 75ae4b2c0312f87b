// Package txn keeps transactions that clients gather over several calls: requests, which
// it does not read, and what each would answer.
package txn
