// Package license is the wire of license_v2. Nothing needs a licence: it is
// here so that older clients get an answer. Generated; rpc serves it.
package license
