package fault_test

import (
	"errors"
	"fmt"
	"testing"

	"pachyderm/internal/fault"
)

func TestTheCauseIsForTheLogOnly(t *testing.T) {
	err := fmt.Errorf("update connector: %w",
		fault.New(fault.Unavailable, "the database does not answer: try again").Because(errors.New("dial 10.0.0.7: refused")))

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

func TestAnUnknownErrorIsInternalAndHidden(t *testing.T) {
	err := errors.New("password=hunter2")
	if fault.KindOf(err) != fault.Internal || fault.Message(err) != "internal error" {
		t.Errorf("got %q, %q", fault.KindOf(err), fault.Message(err))
	}
}
