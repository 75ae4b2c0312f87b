// Package audit keeps what happened: who did what to which object, and when.
// Events are written in the transaction of the change they tell of, and never
// changed.
package audit
