package row

import (
	"strconv"
	"strings"

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
	if t.Cron != "" && (t.Rate != "" || t.Size != "" || t.Commits != 0 || t.All) {
		return fault.New(fault.Invalid, "a trigger at set times has no other conditions").Next("leave --trigger-cron or the others out")
	}
	if t.Rate != "" || t.Cron != "" {
		return fault.New(fault.Unimplemented, "triggers by time are not part of this pachd yet").Next("use --trigger-size or --trigger-commits")
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
