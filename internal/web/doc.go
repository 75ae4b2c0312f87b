// Package web renders every page that people see: ours, and through a file
// system of templates Dex's. One layout, one style sheet, no script, nothing
// from elsewhere.
//
// Callers fill a page struct and call Render; the struct's type picks the
// template of the same name.
package web
