package web

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"pachyderm/internal/fault"
	"pachyderm/internal/requestid"
)

// statusOf is the HTTP status of a kind of fault.
func statusOf(k fault.Kind) int {
	switch k {
	case fault.Invalid:
		return http.StatusBadRequest
	case fault.Unauthenticated:
		return http.StatusUnauthorized
	case fault.Denied:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Exists, fault.Conflict:
		return http.StatusConflict
	case fault.Precondition, fault.Unavailable:
		return http.StatusServiceUnavailable
	case fault.Unimplemented:
		return http.StatusNotImplemented
	case fault.Exhausted:
		return http.StatusTooManyRequests
	case fault.Damaged, fault.Internal:
	}
	return http.StatusInternalServerError
}

// Pages writes pages, and makes pages of errors.
type Pages struct {
	Log *slog.Logger
	Now func() time.Time
	// Title and Next are for errors that are no Problem of their own: what has
	// failed, and what to do unless the error says it.
	Title, Next string
}

// HandlerFunc is a handler that returns what it cannot do: a Problem, a fault,
// or an error that is not for people. It has written nothing then.
type HandlerFunc func(http.ResponseWriter, *http.Request) error

// Handler makes pages of the errors of a handler.
func (p Pages) Handler(f HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := f(w, r); err != nil {
			p.Fail(w, r, err)
		}
	})
}

// Render writes a page. That it cannot is for the log: the person has gone, or
// sees what is left of it.
func (p Pages) Render(w http.ResponseWriter, r *http.Request, status int, page any) {
	if err := render(w, status, page); err != nil {
		p.Log.ErrorContext(r.Context(), "cannot render a page", "error", err)
	}
}

// Fail tells the person what went wrong. Unless that is a Problem, or a limit,
// the log has more of it, under the code that they are shown.
func (p Pages) Fail(w http.ResponseWriter, r *http.Request, err error) {
	var page Problem
	if !errors.As(err, &page) {
		page = p.Explain(r.Context(), err)
		if fault.Is(err, fault.Exhausted) {
			page.Code = "" // the limits see to what is logged of these
		} else {
			p.Log.WarnContext(r.Context(), "page refused", "path", r.URL.Path, "code", page.Code, "error", err)
		}
	}
	SetRetryAfter(w.Header(), err)
	p.Render(w, r, page.Status, page)
}

// SetRetryAfter says when to try again (RFC 9110, 10.2.3), if an error knows.
func SetRetryAfter(h http.Header, err error) {
	if after := fault.RetryAfter(err); after > 0 {
		h.Set("Retry-After", strconv.Itoa(int(after/time.Second)))
	}
}

// Explain is the page of an error that is no Problem; its code is the request's id.
func (p Pages) Explain(ctx context.Context, err error) Problem {
	_, code := requestid.New(ctx)
	page := Problem{Status: statusOf(fault.KindOf(err)), Title: p.Title, Code: code, When: p.Now()}
	page.What, page.Next = fault.What(err), cmp.Or(sentence(fault.NextOf(err)), p.Next)
	if fault.KindOf(err) == fault.Internal {
		page.What = "Something went wrong on our side."
		page.Next = p.Next + " If it happens again, give an administrator the code below: it finds the entry in pachd's log."
	}
	return page
}

// sentence begins with a capital letter.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return ""
	}
	return string(unicode.ToUpper(first)) + text[size:]
}
