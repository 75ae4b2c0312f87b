package probe

import (
	"errors"
	"fmt"
	"time"

	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
)

// Status is how a step ended.
type Status string

// A warning does not keep people from signing in; a step is skipped if an
// earlier one failed or there is nothing to ask.
const (
	OK      Status = "ok"
	Warning Status = "warning"
	Failed  Status = "failed"
	Skipped Status = "skipped"
)

// Step is one thing that was looked at.
type Step struct {
	Name   string
	Status Status
	Took   time.Duration
	Result string
	Remedy string // what to do; empty when all is well
}

// Report collects steps. It is for one goroutine.
type Report struct {
	Steps []Step
	// Limit is how far the steps of the network go.
	Limit fetch.Reach
	now   func() time.Time
}

// New begins a report.
func New(now func() time.Time) *Report { return &Report{now: now} }

// warning is an error that keeps nobody from signing in.
type warning struct{ result, remedy string }

func (w *warning) Error() string { return w.result }

// Warn is the error for a step that is not quite well.
func Warn(remedy, format string, a ...any) error {
	return &warning{fmt.Sprintf(format, a...), remedy}
}

// skipped is the error for a step with nothing to ask.
type skipped struct{ why string }

func (s *skipped) Error() string { return s.why }

// Skip is the error for a step that cannot tell.
func Skip(format string, a ...any) error { return &skipped{fmt.Sprintf(format, a...)} }

// Do takes a step and reports whether it was good enough to go on.
func (r *Report) Do(name string, look func() (string, error)) bool {
	from := r.now()
	result, err := look()
	s := Step{Name: name, Status: OK, Took: r.now().Sub(from), Result: result}
	var w *warning
	var k *skipped
	switch {
	case errors.As(err, &w):
		s.Status, s.Result, s.Remedy = Warning, w.result, w.remedy
	case errors.As(err, &k):
		s.Status, s.Result = Skipped, k.why
	case err != nil:
		s.Status, s.Result, s.Remedy = Failed, fault.What(err), fault.NextOf(err)
		if fault.KindOf(err) == fault.Internal {
			s.Result, s.Remedy = "it did not work", "look at pachd's log"
		}
	}
	r.Steps = append(r.Steps, s)
	return s.Status != Failed
}

// Skip names steps that cannot be taken because an earlier one failed.
func (r *Report) Skip(names ...string) {
	for _, name := range names {
		r.Steps = append(r.Steps, Step{Name: name, Status: Skipped, Result: "an earlier step failed"})
	}
}
