// Package reseal seals anew what a database holds, when another sealing key has come
// into use.
package reseal
