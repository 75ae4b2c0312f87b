package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"pachyderm/demo/op/optest"
)

// BenchmarkStart measures from the start of the process on an empty directory
// to the first answer of GET /readyz, and the memory at rest. The goals are
// 150 ms and 60 MiB.
func BenchmarkStart(b *testing.B) {
	for _, algorithm := range []string{"RS256", "ES256"} {
		b.Run(algorithm, func(b *testing.B) {
			program(b, "pachd")
			rss := 0.0
			b.ResetTimer() // the first call of program builds it
			for range b.N {
				b.StopTimer()
				d := newDaemon(b, "PACHD_ISSUER_SIGNING_ALGORITHM="+algorithm)
				b.StartTimer()
				d.start()
				b.StopTimer()
				rss += residentMiB(b, d.cmd.Process.Pid)
				d.kill()
			}
			b.ReportMetric(rss/float64(b.N), "MiB-RSS")
			b.ReportMetric(ms(b.Elapsed())/float64(b.N), "ms-to-ready")
		})
	}
}

// BenchmarkLogin measures one complete login of one person, from the first
// page to the session token, and the processor time that pachd spends on it.
// The demo provider's own work is in the wall time, not in the processor time.
func BenchmarkLogin(b *testing.B) {
	for _, algorithm := range []string{"RS256", "ES256"} {
		b.Run(algorithm, func(b *testing.B) {
			d := newDaemon(b, "PACHD_ISSUER_SIGNING_ALGORITHM="+algorithm)
			provider := optest.Start(b, d.callback())
			d.start()
			d.connect(provider)
			conn := d.dial()
			if _, err := d.login(b.Context(), conn, optest.Alice); err != nil {
				b.Fatal(err)
			}
			before := cpuTime(b, d.cmd.Process.Pid)
			b.ResetTimer()
			for range b.N {
				if _, err := d.login(b.Context(), conn, optest.Alice); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			spent := cpuTime(b, d.cmd.Process.Pid) - before
			b.ReportMetric(spent.Seconds()*1000/float64(b.N), "cpu-ms/login")
		})
	}
}

// cpuTime is what all threads of a process have spent on a processor, in
// nanoseconds (proc(5), schedstat; the times in stat are sampled).
func cpuTime(b testing.TB, pid int) time.Duration {
	b.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		b.Fatal(err)
	}
	sum := 0
	for _, thread := range threads {
		data, err := os.ReadFile(thread)
		if err != nil {
			b.Fatal(err)
		}
		n, err := strconv.Atoi(strings.Fields(string(data))[0])
		if err != nil {
			b.Fatal(err)
		}
		sum += n
	}
	return time.Duration(sum)
}

func residentMiB(b *testing.B, pid int) float64 {
	b.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		b.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(data))[1])
	if err != nil {
		b.Fatal(err)
	}
	return float64(pages*os.Getpagesize()) / (1 << 20)
}
