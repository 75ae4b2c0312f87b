// Package rename gives names that an older version has stored the one form that
// principal.Parse gives them now, when pachd starts.
//
// Where several spellings become one name, nobody gains by it: see decision 0022.
package rename
