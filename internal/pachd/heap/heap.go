package heap

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
)

// least is how much the heap may have before it is collected, in bytes. At rest ten
// MiB are in use, and a login makes half of one: with the collector's own rule, twice of
// what is in use, it would have run for every twenty logins and taken a tenth of them.
const least = 64 << 20

// Size sets the collector after each of its runs, unless GOGC does.
func Size(environ []string) {
	if slices.ContainsFunc(environ, func(v string) bool { return strings.HasPrefix(v, "GOGC=") }) {
		return
	}
	reSize(0)
}

// reSize follows up on what it has set last.
func reSize(last int) {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	percent := gcPercent(live[0].Value.Uint64())
	if percent != last {
		debug.SetGCPercent(percent)
	}
	// It is not used, so the next run of the collector finds it.
	runtime.AddCleanup(new([64]byte), reSize, percent)
}

// gcPercent is by how much of what is in use the heap may grow: as much as it has (Go's
// default), or up to least.
func gcPercent(inUse uint64) int {
	const (
		step = 25 // so that it changes rarely
		// unit is the heap that Go lets be for each 100 %, whatever is in use.
		unit = 4 << 20
	)
	if inUse >= least/2 {
		return 100
	}
	live := max(int(inUse), unit)
	return (least - live) * 100 / live / step * step
}
