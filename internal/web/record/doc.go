// Package record holds back the response of a handler, to be read or changed
// before it is sent.
package record
