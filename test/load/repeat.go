package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// result is what came of doing something again and again.
type result struct {
	took   []time.Duration // of what succeeded, sorted
	failed map[string]int
	lasted time.Duration
	cpu    time.Duration // of pachd; 0 if it is not known
}

// repeat does something so many times at once for so long.
func repeat(ctx context.Context, f func(context.Context) error, o options) (result, error) {
	r := result{failed: map[string]int{}}
	before, err := cpuTime(o.pid)
	if err != nil {
		return r, err
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := time.Now()
	for range o.atOnce {
		wg.Go(func() {
			for time.Since(start) < o.lasts && ctx.Err() == nil {
				began := time.Now()
				err := f(ctx)
				took := time.Since(began)
				mu.Lock()
				if err == nil {
					r.took = append(r.took, took)
				} else {
					r.failed[err.Error()]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	r.lasted = time.Since(start)
	after, err := cpuTime(o.pid)
	r.cpu = after - before
	slices.Sort(r.took)
	return r, err
}

const header = "WHAT       AT ONCE  DONE     FAILED  PER SECOND  P50      P99      MAX      CPU OF PACHD"

// most is how many different failures are told.
const most = 5

func (r result) row(what string, atOnce int) string {
	failed := 0
	for _, n := range r.failed {
		failed += n
	}
	cpu := ""
	if r.cpu > 0 && len(r.took) > 0 {
		cpu = (r.cpu / time.Duration(len(r.took))).Round(time.Microsecond).String() + " each"
	}
	row := fmt.Sprintf("%-10s %-8d %-8d %-7d %-11.0f %-8s %-8s %-8s %s\n", what, atOnce, len(r.took), failed,
		float64(len(r.took))/r.lasted.Seconds(), r.quantile(.5), r.quantile(.99), r.quantile(1), cpu)
	said := 0
	for _, text := range slices.Sorted(maps.Keys(r.failed)) {
		if said++; said > most {
			return row + fmt.Sprintf("  and %d other failures\n", len(r.failed)-most)
		}
		row += fmt.Sprintf("  %d times: %s\n", r.failed[text], text)
	}
	return row
}

func (r result) quantile(q float64) time.Duration {
	if len(r.took) == 0 {
		return 0
	}
	return r.took[min(int(q*float64(len(r.took))), len(r.took)-1)].Round(10 * time.Microsecond)
}

// cpuTime is what all threads of a process have spent on a processor (proc(5),
// schedstat); 0 without a process.
func cpuTime(pid int) (sum time.Duration, err error) {
	if pid == 0 {
		return 0, nil
	}
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err == nil && len(threads) == 0 {
		err = fmt.Errorf("there is no process %d here", pid)
	}
	for _, thread := range threads {
		data, err := os.ReadFile(thread) //nolint:gosec // of the process that is asked for
		if err != nil {
			return 0, err
		}
		n, err := strconv.Atoi(strings.Fields(string(data))[0])
		if err != nil {
			return 0, err
		}
		sum += time.Duration(n)
	}
	return sum, err
}
