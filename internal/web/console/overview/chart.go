package overview

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"pachyderm/api/pach"
	"pachyderm/internal/web/console/page"
)

const (
	day  = 24 * time.Hour
	days = 14
	// drawn is how many sign-ins are read for the charts, at most.
	drawn = 1000
	// A chart is so wide and high, in units of its own; a column has a gap to the next.
	step, width, height = 10.0, 8.0, 40.0
)

// chart is how the sign-ins of a connector went, day by day.
type chart struct {
	ID, Name string
	State    *pach.ConnectorState
	Counts   *pach.SignInCounts
	Columns  []column
	// Says is the same in a sentence.
	Says string
	// Median and Most are how long sign-ins that succeeded took here, in microseconds:
	// half of them less than Median, 19 of 20 less than Most; 0 if there were none.
	Median, Most int64
}

// column is one day, in UTC.
type column struct {
	Day   time.Time
	Parts []part
	Total int
}

// part is how many of a day had one of the results, as a rectangle.
type part struct {
	Class, Label string
	N            int
	X, Y, W, H   float64
}

// parts are the results that are told apart, the lowest of a column first.
func parts() []part {
	return []part{
		{Class: "ok", Label: "signed in"},
		{Class: "refused", Label: "refused"},
		{Class: "unproven", Label: "did not prove who they are"},
		{Class: "errors", Label: "provider away, or errors"},
	}
}

func partOf(r pach.SignInTrace_Result) int {
	switch r {
	case pach.SignInTrace_OK:
		return 0
	case pach.SignInTrace_REFUSED:
		return 1
	case pach.SignInTrace_UNPROVEN:
		return 2
	}
	return 3
}

// charts has one for each connector that is there, by name.
func charts(
	first time.Time, names map[string]string, states []*pach.ConnectorState, counts []*pach.SignInCounts, signIns []*pach.SignInTrace,
) (all []chart) {
	of := map[string][]*pach.SignInTrace{}
	for _, t := range signIns {
		if !t.GetTest() && !t.GetAt().AsTime().Before(first) {
			of[t.GetConnector()] = append(of[t.GetConnector()], t)
		}
	}
	for _, s := range states {
		c := chart{ID: s.GetId(), Name: cmp.Or(names[s.GetId()], s.GetId()), State: s, Counts: &pach.SignInCounts{}}
		for _, n := range counts {
			if n.GetConnector() == s.GetId() {
				c.Counts = n
			}
		}
		c.draw(first, of[s.GetId()])
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b chart) int { return page.ByName(a.Name, b.Name) })
	return all
}

func (c *chart) draw(first time.Time, signIns []*pach.SignInTrace) {
	c.Columns = make([]column, days)
	for n := range c.Columns {
		c.Columns[n] = column{Day: first.Add(time.Duration(n) * day), Parts: parts()}
	}
	var took []int64
	most := 1
	for _, t := range signIns {
		col := &c.Columns[min(days-1, int(t.GetAt().AsTime().Sub(first)/day))]
		col.Parts[partOf(t.GetResult())].N++
		col.Total++
		most = max(most, col.Total)
		if t.GetResult() == pach.SignInTrace_OK {
			took = append(took, t.GetTookMicroseconds())
		}
	}
	total := parts()
	for n := range c.Columns {
		c.Columns[n].place(float64(n)*step, height/float64(most))
		for i, p := range c.Columns[n].Parts {
			total[i].N += p.N
		}
	}
	c.Says = fmt.Sprintf("Sign-ins of the last %d days: %s", days, inWords(total))
	if slices.Sort(took); len(took) > 0 {
		c.Median, c.Most = took[len(took)/2], took[len(took)*19/20]
	}
}

// place stacks the parts of a column, each as high as there are so many.
func (c *column) place(x, each float64) {
	top := height
	for n := range c.Parts {
		p := &c.Parts[n]
		p.H = each * float64(p.N)
		top -= p.H
		p.X, p.Y, p.W = x, top, width
	}
}

// Says is the column in words.
func (c column) Says() string { return inWords(c.Parts) }

func inWords(all []part) string {
	var words []string
	for _, p := range all {
		if p.N > 0 {
			words = append(words, fmt.Sprintf("%d %s", p.N, p.Label))
		}
	}
	return cmp.Or(strings.Join(words, ", "), "none")
}
