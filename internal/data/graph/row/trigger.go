package row

import (
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"pachyderm/internal/fault"
)

// sizeUnits are decimal, as upstream has them.
var sizeUnits = map[string]float64{
	"": 1, "b": 1, "k": 1e3, "kb": 1e3, "m": 1e6, "mb": 1e6, "g": 1e9, "gb": 1e9, "t": 1e12, "tb": 1e12,
	"p": 1e15, "pb": 1e15,
}

// ParseSize reads a size such as 10MB, in bytes. Fault: Invalid.
func ParseSize(s string) (int64, error) {
	number := strings.TrimRight(s, "bBkKmMgGtTpP ")
	unit, known := sizeUnits[strings.ToLower(strings.TrimSpace(s[len(number):]))]
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !known || n < 0 || n*unit > 1<<62 {
		return 0, fault.New(fault.Invalid, "invalid size %q", fault.Clean(s, 50)).Next("write a number and a unit, such as 10MB")
	}
	return int64(n * unit), nil
}

// Check holds the conditions of a trigger to what can be read. Fault: Invalid.
func (t Trigger) Check() error {
	if t.Branch == "" {
		return fault.New(fault.Invalid, "a trigger has to name the branch that it follows").Next("add it: --trigger BRANCH")
	}
	if !nameForm.MatchString(t.Branch) || len(t.Branch) > maxName || len(t.Size) > maxName {
		return fault.New(fault.Invalid, "a trigger follows no branch %q", fault.Clean(t.Branch, maxName)).Next("name a branch of the repository")
	}
	if t.Cron != "" && (t.Rate != "" || t.Size != "" || t.Commits != 0 || t.All) {
		return fault.New(fault.Invalid, "a trigger at set times has no other conditions").Next("leave --trigger-cron or the others out")
	}
	for _, spec := range []string{t.Rate, t.Cron} {
		if err := checkSchedule(spec); err != nil {
			return err
		}
	}
	if t.Commits < 0 {
		return fault.New(fault.Invalid, "a trigger counts commits, and there cannot be %d", t.Commits)
	}
	if t.Size != "" {
		if _, err := ParseSize(t.Size); err != nil {
			return err
		}
	}
	return nil
}

// Holds says whether the conditions of a trigger do, between the head that its branch
// has and a commit, finished, that comes so many commits after it.
func (t Trigger) Holds(head, at CommitInfo, commits int64) (bool, error) {
	var conditions []bool
	if t.Rate != "" {
		next, err := NextTime(t.Rate, head.Finished)
		if err != nil {
			return false, err
		}
		conditions = append(conditions, !next.IsZero() && !next.After(at.Finished))
	}
	if t.Size != "" {
		more, err := ParseSize(t.Size)
		if err != nil {
			return false, err
		}
		conditions = append(conditions, at.Size-head.Size >= more)
	}
	if t.Commits > 0 {
		conditions = append(conditions, commits >= t.Commits)
	}
	all, some := true, false
	for _, holds := range conditions {
		all, some = all && holds, some || holds
	}
	if t.All {
		return all, nil
	}
	return some || len(conditions) == 0, nil
}

// never is upstream's expression for no time at all.
const never = "@never"

// maxCron is the longest cron expression, in bytes.
const maxCron = 200

// schedule reads a cron expression, nil for none and for never. Fault: Invalid.
func schedule(spec string) (cron.Schedule, error) {
	if spec == "" || spec == never {
		return nil, nil //nolint:nilnil // there is none, and that is right
	}
	invalid := fault.New(fault.Invalid, "invalid cron expression %q", fault.Clean(spec, maxCron)).
		Next(`write minute, hour, day of month, month and day of week, such as "0 6 * * 1-5", or @daily, or @every 1h`)
	// The parser takes a zone without anything after it for an index.
	if len(spec) > maxCron || strings.Contains(spec, "TZ=") && !strings.Contains(strings.TrimSpace(spec), " ") {
		return nil, invalid
	}
	s, err := cron.ParseStandard(spec)
	if err != nil {
		return nil, invalid.Because(err)
	}
	return s, nil
}

// checkSchedule holds a cron expression to what comes at some time. Fault: Invalid.
func checkSchedule(spec string) error {
	s, err := schedule(spec)
	if s != nil && s.Next(time.Unix(0, 0)).IsZero() {
		return fault.New(fault.Invalid, "the cron expression %q names no moment that ever comes", fault.Clean(spec, maxCron)).
			Next("correct it, or write %s", never)
	}
	return err
}

// NextTime is the first moment of a cron expression after another, in UTC unless it
// names a zone (CRON_TZ=); zero for none. Fault: Invalid.
func NextTime(spec string, after time.Time) (time.Time, error) {
	s, err := schedule(spec)
	if s == nil || err != nil {
		return time.Time{}, err
	}
	return s.Next(after.UTC()), nil
}
