// Package page is what the pages of the console have in common: who asks, what they
// may be shown, how a form is held to the browser and page that it came from, and
// how a page or an error is written.
//
// It decides nothing: what a caller may do, the services say over the connection
// in Site.API, by the policy table that pachctl's calls go through as well.
package page
