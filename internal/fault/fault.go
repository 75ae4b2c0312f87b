package fault

import (
	"errors"
	"fmt"
)

// Kind says what went wrong in a way that programs can act on. The values
// travel to clients as ErrorInfo.reason: do not rename them.
type Kind string

// The kinds. Internal is what every other error is taken for.
const (
	Invalid         Kind = "invalid"
	Unauthenticated Kind = "unauthenticated"
	Denied          Kind = "denied"
	NotFound        Kind = "not_found"
	Exists          Kind = "exists"
	Conflict        Kind = "conflict"
	Precondition    Kind = "precondition"
	Unavailable     Kind = "unavailable"
	Unimplemented   Kind = "unimplemented"
	Internal        Kind = "internal"
)

// Error is a fault: Message may be shown to the person who made the request,
// the cause may not.
type Error struct {
	Kind    Kind
	Message string
	// Field is the input that is at fault, such as "config.issuer"; empty when
	// it is not one field. pachctl turns it into a line number.
	Field string
	cause error
}

// New makes a fault. The message names what is wrong and what to do next.
func New(k Kind, format string, a ...any) *Error {
	return &Error{Kind: k, Message: fmt.Sprintf(format, a...)}
}

// Because attaches the cause, for the log only.
func (e *Error) Because(cause error) *Error {
	e.cause = cause
	return e
}

// At names the input field at fault.
func (e *Error) At(field string) *Error {
	e.Field = field
	return e
}

// Error is the full text, cause included: for logs, not for users.
func (e *Error) Error() string {
	if e.cause == nil {
		return e.Message
	}
	return e.Message + ": " + e.cause.Error()
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.cause }

// KindOf is the kind of the first fault in the chain, or Internal.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// Is reports whether err is a fault of kind k.
func Is(err error, k Kind) bool { return err != nil && KindOf(err) == k }

// Message is what the person may read: the message of the first fault in the
// chain, or "internal error".
func Message(err error) string {
	var e *Error
	if errors.As(err, &e) && e.Kind != Internal {
		return e.Message
	}
	return "internal error"
}

// FieldOf is the input field at fault, or "".
func FieldOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Field
	}
	return ""
}
