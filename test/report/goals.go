package main

import (
	"cmp"
	"strconv"
)

// goal is what a figure should be.
type goal struct {
	what, limit string
	digits      int
	figure      func(*results) float64
	met         func(float64) bool
	unclear     func(*results) string // why there is no verdict; may be nil
}

func atMost(limit float64, digits int, what, name, unit string) goal {
	return goal{
		what: what, limit: "at most " + format(limit, digits), digits: digits,
		figure: func(r *results) float64 { return r.value(name, unit) }, met: func(v float64) bool { return v <= limit },
	}
}

func atLeast(limit float64, digits int, what, name, unit string) goal {
	return goal{
		what: what, limit: "at least " + format(limit, digits), digits: digits,
		figure: func(r *results) float64 { return r.value(name, unit) }, met: func(v float64) bool { return v >= limit },
	}
}

// unlessOthers is for what other processes hide: they take the processors that it
// would leave idle.
func (g goal) unlessOthers(name string) goal {
	const most = 0.1
	g.unclear = func(r *results) string {
		if others := r.value(name, "others"); others > most {
			return "unclear: other processes had " + format(others, 2) + " of the processors"
		}
		return ""
	}
	return g
}

// goals are ratios within one run, and counts; and then times, which another machine
// would have others of.
func goals() []goal {
	all := []goal{
		atMost(1.4, 2, "Login with RS256 on SQLite, of what any durable server has to do", "BesideDex/pachd-sqlite/RS256", "of-floor-durable"),
		atMost(1.75, 2, "Login with ES256 on SQLite, of what any durable server has to do", "BesideDex/pachd-sqlite/ES256", "of-floor-durable"),
		atMost(1.5, 2, "Login on PostgreSQL, of the same on SQLite", "BesideDex/pachd-postgres/ES256", "of-sqlite"),
		atMost(10, 1, "Transactions of a login on PostgreSQL", "BesideDex/pachd-postgres/ES256", "transactions/login"),
		atMost(40, 1, "Statements of a login on PostgreSQL", "BesideDex/pachd-postgres/ES256", "statements/login"),
	}
	for _, algorithm := range []string{"RS256", "ES256"} {
		all = append(all,
			atLeast(0.9, 2, "32 logins at once with "+algorithm+", of what the processors allow", "ManyAtOnce/"+algorithm+"/at-once=32", "of-allowed").
				unlessOthers("ManyAtOnce/"+algorithm+"/at-once=32"),
			atMost(0, 0, "64 logins at once with "+algorithm+": answers of status 500 and more", "ManyAtOnce/"+algorithm+"/at-once=64", "http-5xx"),
			atMost(0, 0, "64 logins at once with "+algorithm+": logins that failed", "ManyAtOnce/"+algorithm+"/at-once=64", "failed"),
		)
	}
	for _, call := range []string{"WhoAmI", "Authorize"} {
		for _, connections := range []int{8, 32, 200} {
			n := strconv.Itoa(connections)
			all = append(all, atLeast(0.9, 2, call+" over "+n+" connections, of a constant answer by processor time", "Calls/"+call+"/connections="+n, "of-constant-cpu"))
		}
	}
	all = append(all,
		goal{
			what: "Login with 100,000 people, of one with 1,000", limit: "at most 1.10", digits: 2,
			figure: func(r *results) float64 {
				return r.value("Size/people=100000", "cpu-ms/login") / r.value("Size/people=1000", "cpu-ms/login")
			},
			met: func(v float64) bool { return v <= 1.1 },
		},
		atMost(1.1, 2, "Login with 1,000 connectors, of one with one", "Connectors/connectors=1000", "of-one"),
		atLeast(5, 2, "20,000 files of 4 KB in one stream of pachctl's, of a backup by restic", "Data_SmallFiles", "together-of-restic"),
		atLeast(0.5, 2, "The same again as upstream's clients send them, unchanged, of a server that receives it and keeps nothing", "Data_SmallFiles", "again-of-floor"),
		atLeast(0.5, 2, "The same again as pachctl sends them, unchanged, of such a server", "Data_SmallFiles", "together-again-of-floor"),
		atMost(0, 0, "Packs that this makes", "Data_SmallFiles", "new-packs"),
		atLeast(1, 2, "1 GiB of noise put, of a backup by restic", "Data_LargeFile", "put-of-restic"),
		atLeast(2, 2, "1 GiB of noise got, of the same backup", "Data_LargeFile", "get-of-restic"),
		atMost(10, 1, "One byte before 1 GiB adds, MB", "Data_LargeFile", "front-byte-MB"),
		atLeast(300, 0, "Commits a second of 100 who put into one branch", "Data_ManyAtOnce", "commits/s"),
		atMost(600, 0, "Memory while 1,000,000 files are put, MiB", "Data_ManyFiles/files=1000000", "peak-MiB"),
		atMost(2, 2, "List of 1,000 files among 1,000,000, of a server that sends as many constants, medians", "Data_ManyFiles/files=1000000", "list-of-floor"),
		atMost(10, 1, "List of 1,000 files among 1,000,000, p99, ms", "Data_ManyFiles/files=1000000", "p99-ms/list-of-1000"),
		atMost(5, 1, "InspectFile among 1,000,000, p99, ms", "Data_ManyFiles/files=1000000", "p99-ms/inspect"),
		atMost(20, 1, "Diff of two commits of 1,000,000 files with 10 changes, p99, ms", "Data_ManyFiles/files=1000000", "p99-ms/diff-of-10"),
		atMost(20, 1, "Start and end of a commit of 1,000,000 files, p99, ms", "Data_ManyFiles/files=1000000", "p99-ms/start-and-finish"),
		atMost(150, 0, "Start on an empty directory, ms", "Start/RS256", "ms-to-ready"),
		atMost(60, 0, "Memory after that start, MiB", "Start/RS256", "MiB-RSS"),
		atMost(1000, 0, "Start with 100,000 people, ms", "Size/people=100000", "ms-to-ready"),
	)
	for _, noun := range []string{"users", "groups", "sessions"} {
		all = append(all, atMost(20, 1, "A page of 100 "+noun+" of 100,000 people, ms", "Size/people=100000", "ms/page-of-"+noun))
	}
	return all
}

// verdict is a goal beside what was measured.
type verdict struct{ What, Limit, Measured, Met string }

func judge(r *results) (all []verdict) {
	for _, g := range goals() {
		v := g.figure(r)
		met := "met"
		if !g.met(v) {
			met = "**not met**"
		}
		if g.unclear != nil {
			met = cmp.Or(g.unclear(r), met)
		}
		all = append(all, verdict{g.what, g.limit, format(v, g.digits), met})
	}
	return all
}
