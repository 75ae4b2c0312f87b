// Package glob compiles the patterns by which users name files: what they match, what
// their groups matched, and where in a tree to look.
//
// A pattern without !(...) takes time linear in the path, for each of its cells, of which
// it therefore may have few. One with it takes time that
// is a low power of the path's length, and may therefore be less long.
package glob
