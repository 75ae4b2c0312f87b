// Package keyed makes the hashes that name what packs hold, with keys that only one
// installation has: what is hashed for one purpose says nothing to another.
package keyed
