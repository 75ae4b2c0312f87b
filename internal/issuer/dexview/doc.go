// Package dexview is the storage as Dex shall see it: our connectors and built-in
// clients, codes that die soon, and nothing of a person who may not sign in.
package dexview
