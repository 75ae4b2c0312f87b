// Package cache keeps in memory what was read lately, the latest of it, and has each
// thing read by one at a time.
package cache
