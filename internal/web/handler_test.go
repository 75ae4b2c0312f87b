package web_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"pachyderm/internal/fault"
	"pachyderm/internal/web"
)

// fail is the response to an error, and what the log says.
func fail(t *testing.T, err error) (status int, page, log string) {
	t.Helper()
	var logged bytes.Buffer
	pages := web.Pages{Log: slog.New(slog.NewTextHandler(&logged, nil)), Now: time.Now, Title: "It failed", Next: "Try again."}
	w := httptest.NewRecorder()
	pages.Handler(func(http.ResponseWriter, *http.Request) error { return err }).
		ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/x", nil))
	return w.Code, w.Body.String(), logged.String()
}

func TestStatusOf(t *testing.T) {
	for kind, want := range map[fault.Kind]int{
		fault.Invalid: 400, fault.Unauthenticated: 401, fault.Denied: 403, fault.NotFound: 404, fault.Exists: 409, fault.Conflict: 409,
		fault.Precondition: 503, fault.Unavailable: 503, fault.Unimplemented: 501, fault.Internal: 500,
	} {
		if status, _, _ := fail(t, fmt.Errorf("wrapped: %w", fault.New(kind, "what is wrong"))); status != want {
			t.Errorf("%s is %d, want %d", kind, status, want)
		}
	}
}

func TestPages_FaultIsShownWithItsParts(t *testing.T) {
	_, page, log := fail(t, fault.New(fault.Denied, "you are disabled").Next("ask an administrator").Because(errors.New("dial 10.0.0.7")))
	for _, text := range []string{"It failed", ">you are disabled<", ">Ask an administrator<"} {
		if !strings.Contains(page, text) {
			t.Errorf("the page has no %q: %s", text, page)
		}
	}
	code := regexp.MustCompile(`<code>([A-Z2-7]{8})</code>`).FindStringSubmatch(page)
	if code == nil || !strings.Contains(log, code[1]) || !strings.Contains(log, "dial 10.0.0.7") || strings.Contains(page, "10.0.0.7") {
		t.Errorf("code %q; the log says %s", code, log)
	}
}

func TestPages_UnknownErrorIsHidden(t *testing.T) {
	status, page, log := fail(t, errors.New("password=hunter2"))
	if status != 500 || strings.Contains(page, "hunter2") || !strings.Contains(page, "on our side") || !strings.Contains(log, "hunter2") {
		t.Errorf("%d: %s; the log says %s", status, page, log)
	}
}

func TestPages_ProblemIsShownAsItIs(t *testing.T) {
	status, page, log := fail(t, fmt.Errorf("x: %w", web.Problem{Status: 418, Title: "A teapot", What: "It is short.", Next: "Pour."}))
	if status != 418 || !strings.Contains(page, "A teapot") || strings.Contains(page, "<code>") || log != "" {
		t.Errorf("%d: %s; the log says %s", status, page, log)
	}
}
