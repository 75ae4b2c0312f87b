package people

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"pachyderm/api/auth"
	"pachyderm/api/pach"
	"pachyderm/internal/fault"
	"pachyderm/internal/web/console/page"
)

const (
	// usualDays is what is shown unless another number is asked for.
	usualDays = "90"
	// mostDays is a hundred years.
	mostDays = 36500
	// together is how many people one preview has, and are disabled in one step.
	together = 100
	// mostEmpty is how many pages of people who need no answer are passed over for one
	// page of the console.
	mostEmpty = 20
)

// unusedFor is a number of days that was written. Fault: Invalid.
func unusedFor(days string) (*durationpb.Duration, error) {
	n, err := strconv.Atoi(days)
	if err != nil || n < 1 || n > mostDays {
		return nil, fault.New(fault.Invalid, "%q is no number of days", fault.Clean(days, 40)).
			Next("write a whole number from 1 to %d, such as 90", mostDays)
	}
	return durationpb.New(time.Duration(n) * 24 * time.Hour), nil
}

type unusedPage struct {
	Days          string
	Problem, Next string
	People        []*pach.User
	More          string
	MayChange     bool
}

// listUnused shows who has not been here for a number of days.
func listUnused(c *page.Call) error {
	p := unusedPage{Days: c.Query("days"), MayChange: c.May(auth.Permission_CLUSTER_AUTH_MODIFY_GROUP_MEMBERS)}
	p.Days = cmp.Or(p.Days, usualDays)
	age, err := unusedFor(p.Days)
	if err == nil {
		err = p.read(c, age)
	}
	code := http.StatusOK
	if err != nil {
		if !page.Mendable(err) {
			return err
		}
		p.Problem, p.Next = page.Words(err)
		code = http.StatusUnprocessableEntity
	}
	return c.Render(code, "unused", "Unused accounts", p)
}

func (p *unusedPage) read(c *page.Call, age *durationpb.Duration) error {
	req := &pach.ListUsersRequest{PageSize: page.PageSize, PageToken: c.Query("after"), UnusedFor: age}
	for range mostEmpty {
		found, err := c.API.Pach.ListUsers(c.Context, req)
		if err != nil {
			return err
		}
		p.People, req.PageToken = found.GetUsers(), found.GetNextPageToken()
		if len(p.People) > 0 || req.GetPageToken() == "" {
			break
		}
	}
	if req.GetPageToken() != "" {
		p.More = page.Root + "people/unused?" + url.Values{"days": {p.Days}, "after": {req.GetPageToken()}}.Encode()
	}
	return nil
}

// idlePage is who would be disabled, or was.
type idlePage struct {
	Days  string
	After string // the page token that it was made with
	Since string // the moment since when nobody listed was here
	Shown string // whom it lists as to be disabled, to be compared
	Going []*pach.UnusedUser
	Kept  []*pach.UnusedUser
	More  string
	// Changed is that others are unused than the page has shown.
	Changed bool
}

// pathOfPreview is where a page of the preview is.
func pathOfPreview(days, after string) string {
	q := url.Values{"days": {days}}
	if after != "" {
		q.Set("after", after)
	}
	return page.Root + "people/unused/disable?" + q.Encode()
}

// previewUnused shows who would be disabled, and who is kept and why.
func previewUnused(c *page.Call) error {
	p := idlePage{Days: c.Query("days"), After: c.Query("after")}
	if err := p.ask(c, true); err != nil {
		return err
	}
	return p.preview(c, http.StatusOK)
}

func (p idlePage) preview(c *page.Call, code int) error {
	return c.Render(code, "unused-disable", "Disable unused accounts", p)
}

// ask has the services look for a page of people, and keep them out unless it is a
// preview, which passes over pages without anybody.
func (p *idlePage) ask(c *page.Call, preview bool) error {
	age, err := unusedFor(p.Days)
	if err != nil {
		return err
	}
	req := &pach.DisableUnusedUsersRequest{UnusedFor: age, Preview: preview, PageSize: together, PageToken: p.After}
	if p.Since != "" {
		since, err := time.Parse(time.RFC3339Nano, p.Since)
		if err != nil {
			return fault.New(fault.Invalid, "the form has no moment that this page has written").Next("load the page again")
		}
		req.UnusedSince = timestamppb.New(since)
	}
	var found *pach.DisableUnusedUsersResponse
	for range mostEmpty {
		p.After = req.GetPageToken()
		if found, err = c.API.Pach.DisableUnusedUsers(c.Context, req); err != nil {
			return err
		}
		req.PageToken, req.UnusedSince = found.GetNextPageToken(), found.GetUnusedSince()
		if !preview || len(found.GetUsers()) > 0 || req.GetPageToken() == "" {
			break
		}
	}
	p.take(found)
	return nil
}

func (p *idlePage) take(found *pach.DisableUnusedUsersResponse) {
	p.Going, p.Kept, p.More = nil, nil, ""
	shown := sha256.New()
	for _, u := range found.GetUsers() {
		if u.GetKept() != "" {
			p.Kept = append(p.Kept, u)
			continue
		}
		p.Going = append(p.Going, u)
		_, _ = fmt.Fprintln(shown, u.GetName())
	}
	p.Since = found.GetUnusedSince().AsTime().Format(time.RFC3339Nano)
	p.Shown = base64.RawURLEncoding.EncodeToString(shown.Sum(nil))
	if next := found.GetNextPageToken(); next != "" {
		p.More = pathOfPreview(p.Days, next)
	}
}

// disableUnused keeps out whom a preview has shown, all of them together, unless others
// have become unused meanwhile.
func disableUnused(c *page.Call) error {
	p := idlePage{Days: c.Field("days"), After: c.Field("after"), Since: c.Field("since")}
	now := p
	if err := now.ask(c, true); err != nil {
		return err
	}
	if now.Shown != c.Field("shown") || now.After != p.After {
		now.Changed = true
		return now.preview(c, http.StatusConflict)
	}
	if err := p.ask(c, false); err != nil {
		return err
	}
	return c.Render(http.StatusOK, "unused-disabled", "Unused accounts were disabled", p)
}
