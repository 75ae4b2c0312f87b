package kit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pachyderm/client"
	"pachyderm/internal/fault"
)

func TestExplain(t *testing.T) {
	advised, err := status.New(codes.Unauthenticated, "the session has ended: ask Alice").WithDetails(
		&errdetails.ErrorInfo{Domain: "pachd", Reason: "unauthenticated", Metadata: map[string]string{"next": "ask Alice"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		err  error
		want string
		code int
	}{
		"usage":         {Usagef(nil, "which %s?", "one"), "which one?", 2},
		"fault":         {fault.New(fault.Unauthenticated, "no").Next("try").Because(advised.Err()), "no: try", 1},
		"wrapped fault": {fmt.Errorf("step: %w", fault.New(fault.Invalid, "no")), "no", 1},
		"no session":    {status.Error(codes.Unauthenticated, "who are you?"), "who are you?: sign in with: pachctl auth login", 3},
		"with advice":   {advised.Err(), "the session has ended: ask Alice", 3},
		"interrupted":   {fmt.Errorf("x: %w", context.Canceled), interrupted, 1},
		"too late":      {status.Error(codes.DeadlineExceeded, "late"), "pachd did not respond in time: late: try again, or allow more time", 1},
		"unknown":       {status.Error(codes.Unimplemented, "no such method"), "no such method: the server does not offer this", 1},
		"unreachable":   {&client.UnreachableError{Reason: "gone"}, "cannot reach pachd at grpc://:0: gone: start it, or set the address with: pachctl connect ADDRESS", 1},
		"no TLS":        {&client.UnreachableError{Reason: "no TLS", Next: "use grpc"}, "cannot reach pachd at grpc://:0: no TLS: use grpc", 1},
		"another":       {errors.New("oops"), "oops", 1},
	} {
		if message, code := Explain(test.err); message != test.want || code != test.code {
			t.Errorf("%s: got %q, %d, want %q, %d", name, message, code, test.want, test.code)
		}
	}
}

// The server that a context leads to may be a stranger's.
func TestReport_SteersNoTerminal(t *testing.T) {
	var out strings.Builder
	k := &Kit{Stderr: &out}
	k.Report(status.Error(codes.Internal, "one\x1b]0;owned\a\u009b2J\r\n\ttwo\xff"))
	if want := "pachctl: one]0;owned2J\n  \ttwo\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

// No line of a message passes for one that pachctl has begun.
func TestReport_ForgesNoLine(t *testing.T) {
	var out strings.Builder
	k := &Kit{Stderr: &out}
	k.Report(status.Error(codes.Internal, "no\npachctl: all is well\r\nYou are \"pach:root\""))
	if want := "pachctl: no\n  pachctl: all is well\n  You are \"pach:root\"\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}
