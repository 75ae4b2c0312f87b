package row

import (
	"regexp"
	"strconv"
	"strings"

	"pachyderm/internal/fault"
)

// MaxAncestry is how far a name may lead from where it begins, as upstream has it.
const MaxAncestry = 1000

// Ancestry is the part of a commit's name that leads to another: back from it by its
// parents, or, with from, forward from the first commit of the branch.
type Ancestry struct {
	Base string
	From int // the commit so far from the first, which is 1; 0 for none
	Back int // so many parents
}

var ancestryForm = regexp.MustCompile(`^([A-Za-z0-9_-]*)(?:\.(\d{1,9}))?(\^+|~+|[\^~]\d{1,9})?$`)

// ParseAncestry reads master^, master^^, master~3, master.2 and master.3^1. Fault: Invalid.
func ParseAncestry(name string) (a Ancestry, err error) {
	m := ancestryForm.FindStringSubmatch(name)
	if m == nil {
		return a, fault.New(fault.Invalid, "invalid commit or branch %q", fault.Clean(name, maxName)).
			Next("write a branch or a commit's id, with ^, ^2 or ~2 for what it comes from, and .1 for the first of a branch")
	}
	a.Base = m[1]
	if m[2] != "" {
		if a.From, err = strconv.Atoi(m[2]); err != nil || a.From == 0 {
			return a, fault.New(fault.Invalid, "invalid commit %q: the first commit of a branch is .1", name)
		}
	}
	switch steps := strings.Trim(m[3], "^~"); {
	case m[3] == "":
	case steps == "":
		a.Back = len(m[3])
	default:
		if a.Back, err = strconv.Atoi(steps); err != nil {
			return a, fault.New(fault.Invalid, "invalid commit %q", name)
		}
	}
	if a.Back > MaxAncestry || a.From > 0 && a.Back >= a.From {
		return a, fault.New(fault.Invalid, "invalid commit %q: it leads %d commits back", name, a.Back).
			Next("name one that is nearer, at most %d", MaxAncestry)
	}
	return a, nil
}
