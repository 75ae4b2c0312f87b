package endpoint

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"pachyderm/internal/fault"
)

// Error is the Answer of an endpoint that applications call (RFC 6749, 5.2).
type Error struct {
	Status      int    // of HTTP
	Code        string // such as invalid_grant
	Description string
	// Challenge is the value of WWW-Authenticate, or empty.
	Challenge string
	// RetryAfter says in how many seconds to try again, if not 0.
	RetryAfter int
}

func (e *Error) Error() string { return e.Code + ": " + e.Description }

// Write answers with e.
func (e *Error) Write(w http.ResponseWriter) {
	if e.Challenge != "" {
		w.Header().Set("WWW-Authenticate", e.Challenge)
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(e.RetryAfter))
	}
	Answer(w, e.Status, map[string]string{"error": e.Code, "error_description": e.Description})
}

// Answer writes JSON that nobody may keep.
func Answer(w http.ResponseWriter, status int, v any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}

// Refuse is an error of status 400.
func Refuse(code, description string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: code, Description: description}
}

// InvalidGrant is for what a grant does not, or not any more, give.
func InvalidGrant(description string) *Error { return Refuse("invalid_grant", description) }

// InvalidRequest is for a request that is wrong in itself.
func InvalidRequest(description string) *Error { return Refuse("invalid_request", description) }

// Unavailable is for what is in the way at the moment, such as the database: a
// client that hears it keeps its tokens.
func Unavailable(err error) *Error {
	return &Error{
		Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", Description: fault.Message(err), RetryAfter: retryAfter,
	}
}

// retryAfter is when a client may try again, in seconds.
const retryAfter = 5

const (
	// maxForm bounds the body of a request, maxField one parameter, in bytes:
	// far more than any is long.
	maxForm  = 64 << 10
	maxField = 8 << 10
)

// ParseForm reads a request's form, in which nothing may stand twice. What stands
// in the address is not read: it would stand in logs. Error: *Error.
func ParseForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return nil, &Error{Status: http.StatusMethodNotAllowed, Code: "invalid_request", Description: "send the request by POST"}
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	err := r.ParseForm()
	if errors.As(err, new(*http.MaxBytesError)) {
		return nil, tooLarge()
	}
	if err != nil {
		return nil, InvalidRequest("the request is not a form")
	}
	for name, values := range r.PostForm {
		if len(values) > 1 {
			return nil, InvalidRequest("the request has a parameter more than once")
		}
		if len(name) > maxField || len(values[0]) > maxField {
			return nil, tooLarge()
		}
	}
	return r.PostForm, nil
}

func tooLarge() *Error {
	return &Error{Status: http.StatusRequestEntityTooLarge, Code: "invalid_request", Description: "the request is too large"}
}
