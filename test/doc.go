// Package test holds the end-to-end tests: the programs as they are built, as
// processes, with real identity providers and a real browser. Nothing in it is
// part of a program.
package test
