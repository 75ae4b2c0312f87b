// Package dex adapts Dex's connectors: the document of each type, our rules for
// it beside Dex's, where its provider is, and what Dex leaves to be guarded.
package dex
