// Package glob compiles the patterns by which users name files: what they match, what
// their groups matched, and where in a tree to look.
package glob
