// Package inlist makes what stands in "IN (...)" for many keys, of few lengths, so that
// there are few statements to prepare.
package inlist
