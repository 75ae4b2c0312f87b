package pachd

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
)

// leastHeap is how much the heap may have before it is collected, in bytes. At rest ten
// MiB are in use, and a login makes half of one: with the collector's own rule, twice of
// what is in use, it would have run for every twenty logins and taken a tenth of them.
const leastHeap = 64 << 20

// sizeHeap sets the collector after each of its runs, unless GOGC does.
func sizeHeap(environ []string) {
	if slices.ContainsFunc(environ, func(v string) bool { return strings.HasPrefix(v, "GOGC=") }) {
		return
	}
	resizeHeap(0)
}

// resizeHeap follows up on what it has set last.
func resizeHeap(last int) {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	percent := gcPercent(live[0].Value.Uint64())
	if percent != last {
		debug.SetGCPercent(percent)
	}
	// It is not used, so the next run of the collector finds it.
	runtime.AddCleanup(new([64]byte), resizeHeap, percent)
}

// gcPercent is by how much of what is in use the heap may grow: as much as it has (Go's
// default), or up to leastHeap.
func gcPercent(live uint64) int {
	const (
		step = 25 // so that it changes rarely
		// unit is the heap that Go lets be for each 100 %, whatever is in use.
		unit = 4 << 20
	)
	live = max(live, unit)
	if live >= leastHeap/2 {
		return 100
	}
	return int((leastHeap-live)*100/live) / step * step
}
