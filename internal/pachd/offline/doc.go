// Package offline is what pachd does on its machine, and ends: export and import all
// that its database holds, bring the schema up to date, make a new root token.
package offline
