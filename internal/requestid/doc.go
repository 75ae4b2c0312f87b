// Package requestid gives each request an id, by which its lines in the log, its
// audit events and what its client was told are found.
package requestid
