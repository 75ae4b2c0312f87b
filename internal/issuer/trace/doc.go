// Package trace keeps what happened in each sign-in at a connector, real or of a
// connector test: the steps, what the provider said and what was made of it, and
// why it was refused. It also counts the sign-ins that never came back.
//
// Nothing of it is in a login's way: traces are written later, by the batch, and
// dropped when there are too many at once.
package trace
