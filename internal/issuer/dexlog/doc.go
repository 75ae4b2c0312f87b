// Package dexlog is the log that Dex writes to: without its debug lines, some of
// which hold tokens of providers, and with little of what it repeats, some of which
// anybody can send.
package dexlog
