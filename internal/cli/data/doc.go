// Package data joins the commands about versioned data: what each noun has under each
// verb.
package data
