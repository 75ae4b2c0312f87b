package grant

import (
	"encoding/json"
	"net/http"
	"strconv"

	"pachyderm/internal/fault"
)

// Error is the answer of an endpoint that applications call (RFC 6749, 5.2).
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
	answer(w, e.Status, map[string]string{"error": e.Code, "error_description": e.Description})
}

// answer writes JSON that nobody may keep.
func answer(w http.ResponseWriter, status int, v any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}

func refuse(code, description string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: code, Description: description}
}

func invalidGrant(description string) *Error { return refuse("invalid_grant", description) }

func invalidRequest(description string) *Error { return refuse("invalid_request", description) }

// unavailable is for what is in the way at the moment, such as the database: a
// client that hears it keeps its tokens.
func unavailable(err error) *Error {
	return &Error{
		Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", Description: fault.Message(err), RetryAfter: retryAfter,
	}
}

// retryAfter is when a client may try again, in seconds.
const retryAfter = 5
