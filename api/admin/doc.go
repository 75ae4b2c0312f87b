// Package admin is the wire of admin_v2: the first call that every client
// makes, and restarts. Generated; rpc serves it.
package admin
