// Package wire turns what several services carry on the wire into our types,
// and back.
package wire
