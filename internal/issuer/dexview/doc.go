// Package dexview is the storage as Dex shall see it: our connectors and built-in
// clients, and codes that begin grants of ours.
package dexview
