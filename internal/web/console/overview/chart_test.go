package overview

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"pachyderm/api/pach"
)

func TestCharts_OneColumnForEachDay(t *testing.T) {
	first := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	at := func(after time.Duration, connector string, result pach.SignInTrace_Result, took int64, test bool) *pach.SignInTrace {
		return &pach.SignInTrace{At: timestamppb.New(first.Add(after)), Connector: connector, Result: result, TookMicroseconds: took, Test: test}
	}
	all := charts(first, map[string]string{"b": "Zebra", "a": "ant"}, []*pach.ConnectorState{{Id: "b"}, {Id: "a"}},
		[]*pach.SignInCounts{{Connector: "b", Sent: 9, Returned: 7}}, []*pach.SignInTrace{
			at(0, "b", pach.SignInTrace_OK, 1000, false), at(23*time.Hour, "b", pach.SignInTrace_OK, 3000, false),
			at(time.Hour, "b", pach.SignInTrace_REFUSED, 90000, false), at(day, "b", pach.SignInTrace_UNPROVEN, 0, false),
			at(13*day+23*time.Hour, "b", pach.SignInTrace_UNAVAILABLE, 0, false), at(14*day, "b", pach.SignInTrace_ERROR, 0, false), // by a clock that is ahead
			at(-time.Second, "b", pach.SignInTrace_OK, 0, false), at(0, "b", pach.SignInTrace_OK, 0, true), at(0, "gone", pach.SignInTrace_OK, 0, false),
		})
	if len(all) != 2 || all[0].Name != "ant" || all[1].Name != "Zebra" || all[0].Says != "Sign-ins of the last 14 days: none" {
		t.Fatalf("%+v", all)
	}
	c := all[1]
	if c.Says != "Sign-ins of the last 14 days: 2 signed in, 1 refused, 1 did not prove who they are, 2 provider away, or errors" {
		t.Errorf("it says %s", c.Says)
	}
	for n, want := range map[int]string{0: "2 signed in, 1 refused", 1: "1 did not prove who they are", 2: "none", 13: "2 provider away, or errors"} {
		if got := c.Columns[n].Says(); got != want {
			t.Errorf("day %d has %s, want %s", n, got, want)
		}
	}
	if c.Median != 3000 || c.Most != 3000 || c.Counts.GetSent() != 9 {
		t.Errorf("median %d, most %d, %v", c.Median, c.Most, c.Counts)
	}
	lowest := c.Columns[0].Parts[0]
	if top := c.Columns[0].Parts[1].Y; top < -.001 || top > .001 || lowest.Y+lowest.H != height {
		t.Errorf("the highest column is drawn as %+v", c.Columns[0].Parts)
	}
	for _, col := range c.Columns {
		for _, p := range col.Parts {
			if p.X < 0 || p.X+p.W > days*step || p.H < 0 {
				t.Errorf("%+v is outside of the chart", p)
			}
		}
	}
}

func TestTasks_TheWorstFirst(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	in := func(d time.Duration) []*pach.Expiry {
		return []*pach.Expiry{{What: "certificate", Ends: timestamppb.New(now.Add(d))}}
	}
	all := tasks(now, map[string]string{"a": "A"}, []*pach.ConnectorState{
		{Id: "a", Expiries: in(29 * day)},
		{Id: "b", Expiries: in(31 * day)},
		{Id: "c", Expiries: in(-time.Hour)},
		{Id: "d", State: pach.ConnectorState_FAILING, Life: pach.ConnectorState_ACTIVE, Error: "no answer"},
		{Id: "e", State: pach.ConnectorState_FAILING, Life: pach.ConnectorState_DISABLED},
		{Id: "f", Approval: pach.ConnectorState_PENDING, State: pach.ConnectorState_READY},
	}, []*pach.SignInWarning{{Connector: "w", What: "7 people never came back"}})
	var got []string
	for _, x := range all {
		got = append(got, x.Name)
	}
	if strings.Join(got, " ") != "c d w A f" {
		t.Errorf("%v", got)
	}
}
