package fault

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
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
	Exhausted       Kind = "exhausted" // a limit is reached; After says when to try again
	Damaged         Kind = "damaged"   // what was stored is not there any more as it was
	Internal        Kind = "internal"
)

// Error is a fault. All of it but the cause may be shown to the person who made
// the request.
type Error struct {
	kind  Kind
	form  string
	what  string
	next  string
	field string
	line  int
	after time.Duration
	cause error
}

// New makes a fault; the text names what is wrong. What to do about it is said
// by Next. Texts among the values are made fit to be shown, since many are a caller's.
func New(k Kind, format string, a ...any) *Error {
	return &Error{kind: k, form: format, what: text(format, a)}
}

// Next says what the person can do about it, beginning with a verb.
func (e *Error) Next(format string, a ...any) *Error {
	e.next = text(format, a)
	return e
}

// Because attaches the cause, for the log only.
func (e *Error) Because(cause error) *Error {
	e.cause = cause
	return e
}

// At names the input field at fault, such as "config.issuer". pachctl turns it
// into a line number.
func (e *Error) At(field string) *Error {
	e.field = field
	return e
}

// OnLine is the line of the document at fault, counted from 1.
func (e *Error) OnLine(line int) *Error {
	e.line = line
	return e
}

// After is how long to wait before trying again.
func (e *Error) After(d time.Duration) *Error {
	e.after = d
	return e
}

// Error is the full text, cause included: for logs, not for users.
func (e *Error) Error() string {
	if e.cause == nil {
		return e.message()
	}
	return e.message() + ": " + e.cause.Error()
}

func (e *Error) message() string {
	said := e.what
	if e.next != "" {
		said += ": " + e.next
	}
	if e.line > 0 {
		said += fmt.Sprintf(" (line %d)", e.line)
	}
	return said
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.cause }

// Prefix says in front of the first fault in the chain where it was found, such
// as the file, and keeps its other parts. It must not be called without error.
func Prefix(err error, format string, a ...any) *Error {
	e := As(KindOf(err), err)
	e.form, e.what = format+": "+e.form, Cut(text(format, a)+": "+e.what)
	return e
}

// As is the first fault in the chain with another kind. It must not be called
// without error.
func As(k Kind, err error) *Error {
	e := first(err)
	if e == nil {
		return New(k, internal).Because(err)
	}
	as := *e
	as.kind = k
	return &as
}

// first is the first fault in the chain, or nil.
func first(err error) *Error {
	var e *Error
	errors.As(err, &e)
	return e
}

// KindOf is the kind of the first fault in the chain, or Internal.
func KindOf(err error) Kind {
	if e := first(err); e != nil {
		return e.kind
	}
	return Internal
}

// Is reports whether err is a fault of kind k.
func Is(err error, k Kind) bool { return err != nil && KindOf(err) == k }

// internal is all that is shown of an error that is not for users.
const internal = "internal error"

// Message is what the person may read: what is wrong, what to do and on which
// line, of the first fault in the chain, or "internal error".
func Message(err error) string {
	if e := first(err); e != nil && e.kind != Internal {
		return e.message()
	}
	return internal
}

// What is the part of Message that says what is wrong.
func What(err error) string {
	if e := first(err); e != nil && e.kind != Internal {
		return e.what
	}
	return internal
}

// Form is what errors of the same reason have in common: What with its values left
// out, or What itself if it is nothing but a value.
func Form(err error) string {
	e := first(err)
	if e == nil {
		return internal
	}
	if strings.Trim(e.form, "%sqv: ") == "" {
		return e.what
	}
	return e.form
}

// NextOf is the part of Message that says what to do, or "".
func NextOf(err error) string {
	if e := first(err); e != nil && e.kind != Internal {
		return e.next
	}
	return ""
}

// FieldOf is the input field at fault, or "".
func FieldOf(err error) string {
	if e := first(err); e != nil {
		return e.field
	}
	return ""
}

// LineOf is the line of the document at fault, or 0.
func LineOf(err error) int {
	if e := first(err); e != nil {
		return e.line
	}
	return 0
}

// RetryAfter is how long to wait before trying again, in whole seconds and at
// least one, or 0 if that is not known.
func RetryAfter(err error) time.Duration {
	e := first(err)
	if e == nil || e.after <= 0 {
		return 0
	}
	return (e.after + time.Second - 1).Truncate(time.Second)
}

// longest is how long, in bytes, each of what is wrong and what to do may be: both are
// sent as headers, and gRPC's C core, which Python's clients are made of, takes 8 KiB of
// those (GRPC_ARG_MAX_METADATA_SIZE).
const longest = 2 << 10

// Cut leaves a text out from where it is too long to be shown or logged.
func Cut(long string) string {
	if len(long) <= longest {
		return long
	}
	return strings.ToValidUTF8(long[:longest], "") + "..."
}

// text is fmt.Sprintf of values that are fit to be shown.
func text(format string, values []any) string {
	if len(values) == 0 {
		return format
	}
	shown := make([]any, len(values))
	for n, v := range values {
		shown[n] = fit(v)
	}
	return Cut(fmt.Sprintf(format, shown...))
}

// fit is a value, or what can be shown of a text or a list of texts.
func fit(v any) any {
	const most = 100 // of a list
	shown := func(v any) string { return printable(Cut(fmt.Sprint(v))) }
	r := reflect.ValueOf(v)
	if r.CanInt() || r.CanUint() || r.CanFloat() {
		return v
	}
	switch v.(type) {
	case error, fmt.Stringer, fmt.Formatter: // which say what is to be seen of them
		return shown(v)
	}
	if r.Kind() == reflect.String {
		return shown(v)
	}
	if r.Kind() == reflect.Slice && r.Type().Elem().Kind() == reflect.String {
		list := make([]string, min(r.Len(), most))
		for n := range list {
			list[n] = shown(r.Index(n).Interface())
		}
		return list
	}
	return v
}

// printable has a space for each that there is of any kind, line breaks among them, and
// nothing for what else moves a cursor, changes the direction of text, or is not to be
// seen. Runes that Unicode has no use for yet stay.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r > ' ' && r < unicode.MaxASCII: // nearly all of them
			return r
		case unicode.IsSpace(r):
			return ' '
		case unicode.In(r, unicode.Cc, unicode.Cf):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
}

// Clean makes a stranger's text fit to be shown, in limit characters.
func Clean(text string, limit int) string {
	text = strings.TrimSpace(printable(text))
	if len(text) <= limit || utf8.RuneCountInString(text) <= limit {
		return text
	}
	return string([]rune(text)[:limit]) + "..."
}

// CheckName refuses a name that cannot be shown to others as it is, in one line of 255
// characters at most; field is where it was given. Fault: Invalid.
func CheckName(field, name string) error {
	const most = 255
	if Clean(name, most) == name {
		return nil
	}
	return New(Invalid, "the %s %q cannot be shown", field, Clean(name, 80)).
		Next("use at most %d characters that can be seen, with no space before or after them", most).At(field)
}

// CleanJSON is Clean of a value as JSON, or "" of one that has none.
func CleanJSON(v any, limit int) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return Clean(string(raw), limit)
}
