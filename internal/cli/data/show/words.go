package show

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
	"google.golang.org/protobuf/types/known/timestamppb"

	"pachyderm/api/pfs"
)

// Size is a number of bytes in binary units, with four digits: 1.5KiB.
func Size(bytes int64) string {
	size, unit := float64(bytes), 0
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	for size >= 1024 && unit < len(units)-1 {
		size, unit = size/1024, unit+1
	}
	return fmt.Sprintf("%.4g%s", size, units[unit])
}

// AtMost is a size of which only a bound is known unless exact.
func AtMost(bytes int64, exact bool) string {
	if exact {
		return Size(bytes)
	}
	return "≤ " + Size(bytes)
}

// Ago is how long something has been at now.
func Ago(now, then time.Time) string {
	d := now.Sub(then)
	hours := int(d.Hours() + 0.5)
	switch {
	case d < time.Second:
		return "Less than a second ago"
	case d < 2*time.Second:
		return "1 second ago"
	case d < time.Minute:
		return fmt.Sprintf("%d seconds ago", int(d.Seconds()))
	case d < 2*time.Minute:
		return "About a minute ago"
	case d < time.Hour:
		return fmt.Sprintf("%d minutes ago", int(d.Minutes()))
	case hours <= 1:
		return "About an hour ago"
	case hours < 48:
		return fmt.Sprintf("%d hours ago", hours)
	case hours < 24*7*2:
		return fmt.Sprintf("%d days ago", hours/24)
	case hours < 24*30*2:
		return fmt.Sprintf("%d weeks ago", hours/24/7)
	case hours < 24*365*2:
		return fmt.Sprintf("%d months ago", hours/24/30)
	}
	return fmt.Sprintf("%d years ago", hours/24/365)
}

// Time is a time as the flags want it, or a dash for none.
func (o Output) Time(now time.Time, t *timestamppb.Timestamp) string {
	switch {
	case t == nil:
		return "-"
	case o.full:
		return t.AsTime().Format(time.RFC3339)
	}
	return Ago(now, t.AsTime())
}

// Roles are what the caller has, as a column has them.
func Roles(a *pfs.AuthInfo) string { return "[" + strings.Join(a.GetRoles(), " ") + "]" }

// Repo is a repository as an argument names it.
func Repo(r *pfs.Repo) string {
	if r.GetType() == "" || r.GetType() == "user" {
		return r.GetName()
	}
	return r.GetName() + "." + r.GetType()
}

// Branch is a branch as an argument names it.
func Branch(b *pfs.Branch) string { return Repo(b.GetRepo()) + "@" + b.GetName() }

// Commit is a commit as an argument names it.
func Commit(c *pfs.Commit) string {
	repo := c.GetRepo()
	if repo == nil {
		repo = c.GetBranch().GetRepo()
	}
	return Repo(repo) + "@" + c.GetId()
}

// OnTerminal reports whether a stream is a person's: they see what is written to it, or
// type what is read from it.
func OnTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
