// Package pagetoken makes the page tokens of all lists opaque: what a client hands back is
// what it was given, by the same method.
package pagetoken
