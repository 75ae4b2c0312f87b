// Package audit keeps what happened: who did what to which object, and when. An
// audit event is written in the transaction of the change that it tells of, and
// never changed.
package audit
