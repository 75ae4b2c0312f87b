// Package archive reads tar archives that may be anybody's: one that is put into a
// repository, and one that pachd sends to be written into a directory. Nothing in
// them leads out of there.
package archive
