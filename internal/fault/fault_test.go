package fault_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
)

func Example() {
	err := fault.New(fault.Invalid, "issuer is %s, which is not https", "http://id.example.com").
		Next("use https, or set insecure: true").At("config.issuer").OnLine(4)

	fmt.Println(fault.KindOf(err))
	fmt.Println(fault.Message(err))
	fmt.Println(fault.What(err))
	fmt.Println(fault.NextOf(err))
	// Output:
	// invalid
	// issuer is http://id.example.com, which is not https: use https, or set insecure: true (line 4)
	// issuer is http://id.example.com, which is not https
	// use https, or set insecure: true
}

func TestMessage_CauseIsForTheLogOnly(t *testing.T) {
	err := fmt.Errorf("update connector: %w",
		fault.New(fault.Unavailable, "the database does not answer").Next("try again").Because(errors.New("dial 10.0.0.7: refused")))

	if got, want := fault.Message(err), "the database does not answer: try again"; got != want {
		t.Errorf("Message = %q, want %q", got, want)
	}
	if got, want := err.Error(), "update connector: the database does not answer: try again: dial 10.0.0.7: refused"; got != want {
		t.Errorf("Error = %q, want %q", got, want)
	}
	if !fault.Is(err, fault.Unavailable) {
		t.Errorf("KindOf = %q", fault.KindOf(err))
	}
}

func TestMessage_UnknownErrorIsInternalAndHidden(t *testing.T) {
	for _, err := range []error{errors.New("password=hunter2"), fault.New(fault.Internal, "password=hunter2").Next("password=hunter2")} {
		if fault.KindOf(err) != fault.Internal || fault.Message(err) != "internal error" || fault.What(err) != "internal error" || fault.NextOf(err) != "" {
			t.Errorf("got %q, %q, %q, %q", fault.KindOf(err), fault.Message(err), fault.What(err), fault.NextOf(err))
		}
	}
}

func TestPrefix_KeepsTheParts(t *testing.T) {
	cause := errors.New("no such file")
	original := fault.New(fault.NotFound, "it is gone").Next("look elsewhere").At("path").OnLine(3).Because(cause)
	err := fault.Prefix(fmt.Errorf("read: %w", original), "%s.yaml", "a")

	if got, want := fault.Message(err), "a.yaml: it is gone: look elsewhere (line 3)"; got != want {
		t.Errorf("Message = %q, want %q", got, want)
	}
	if fault.KindOf(err) != fault.NotFound || fault.FieldOf(err) != "path" || fault.LineOf(err) != 3 || !errors.Is(err, cause) {
		t.Errorf("lost a part: %#v", err)
	}
	if got, want := fault.Message(original), "it is gone: look elsewhere (line 3)"; got != want {
		t.Errorf("the original became %q", got)
	}
	if hidden := fault.Prefix(errors.New("password=hunter2"), "a.yaml"); fault.Message(hidden) != "internal error" {
		t.Errorf("Message of an unknown error = %q", fault.Message(hidden))
	}
}

func TestAs_ChangesTheKindAlone(t *testing.T) {
	err := fault.As(fault.Unauthenticated, fault.New(fault.Denied, "disabled").Next("ask an administrator"))
	if got, want := fault.Message(err), "disabled: ask an administrator"; got != want || fault.KindOf(err) != fault.Unauthenticated {
		t.Errorf("got %q, %q", fault.KindOf(err), got)
	}
}

// Whatever a caller sends comes back in a few kilobytes, and moves no terminal's cursor.
func TestNew_ValuesAreFitToBeShown(t *testing.T) {
	type named string
	hostile := "a\x1b]52;c;cm0=\x07\nb\u202ec\x00\u0085d\xff"
	const shown = "a]52;c;cm0= bc d"
	for name, err := range map[string]*fault.Error{
		"text":  fault.New(fault.Invalid, "%s", hostile),
		"named": fault.New(fault.Invalid, "%s", named(hostile)),
		"error": fault.New(fault.Invalid, "%v", errors.New(hostile)),
		"next":  fault.New(fault.Invalid, "").Next("%s", hostile),
		"where": fault.Prefix(fault.New(fault.Invalid, ""), "%s", hostile),
	} {
		if got := strings.Trim(fault.Message(err), ": "); got != shown {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got, want := fault.New(fault.Invalid, "%q", []string{hostile}).Error(), `["`+shown+`"]`; got != want {
		t.Errorf("list: %s, not %s", got, want)
	}
	if got := fault.New(fault.Invalid, "%d of %v, %q", 3, time.Second, secret.Text("hunter2")).Error(); got != `3 of 1s, "***"` {
		t.Errorf("others: %s", got)
	}
	long := strings.Repeat("\x01é", 10<<20)
	all := fault.New(fault.Invalid, "%q and %s and %q", long, long, slices.Repeat([]string{long}, 3)).Next("%s", long).Because(errors.New(long))
	for name, got := range map[string]string{
		"message": fault.Message(fault.Prefix(fault.Prefix(all, "%s", long), "%s", long)), "of the log": fault.Cut(all.Error()),
	} {
		if len(got) > 5000 || !utf8.ValidString(got) {
			t.Errorf("%s: %d bytes", name, len(got))
		}
	}
}
