package probe

import (
	"errors"
	"fmt"
	"time"

	"pachyderm/internal/fault"
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

// Ladder collects steps. It is for one goroutine.
type Ladder struct {
	Steps []Step
	now   func() time.Time
}

// New begins a ladder.
func New(now func() time.Time) *Ladder { return &Ladder{now: now} }

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
func (l *Ladder) Do(name string, look func() (string, error)) bool {
	from := l.now()
	result, err := look()
	s := Step{Name: name, Status: OK, Took: l.now().Sub(from), Result: result}
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
	l.Steps = append(l.Steps, s)
	return s.Status != Failed
}

// Skip names steps that cannot be taken because an earlier one failed.
func (l *Ladder) Skip(names ...string) {
	for _, name := range names {
		l.Steps = append(l.Steps, Step{Name: name, Status: Skipped, Result: "an earlier step failed"})
	}
}
