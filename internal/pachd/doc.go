// Package pachd puts the server together: New reads like the architecture
// page, top to bottom, and Run serves until its context ends.
package pachd
