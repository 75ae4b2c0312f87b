// Package enterprise is the wire of enterprise_v2. There is no paid edition:
// it is here so that older clients get an answer. Generated; rpc serves it.
package enterprise
