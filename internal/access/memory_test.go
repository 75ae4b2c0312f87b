package access

import (
	"fmt"
	"runtime"
	"testing"

	"pachyderm/internal/principal"
)

// BenchmarkMemory reports what a binding costs in memory, of a million of them
// by ten thousand people on ten thousand repositories.
func BenchmarkMemory(b *testing.B) {
	const million = 1_000_000
	for range b.N {
		before := heap()
		ix, err := newIndex(millionBindings(million))
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(heap()-before)/million, "B/binding")
		runtime.KeepAlive(ix)
	}
}

func millionBindings(count int) []Binding {
	bindings := make([]Binding, count)
	for n := range bindings {
		bindings[n] = Binding{
			Resource:  Resource{Type: Repo, Name: fmt.Sprintf("project-%d/repo-%d", n%200, n/100)},
			Principal: principal.Name(fmt.Sprintf("user:person-%d@example.com", n%10_000)), Roles: []string{repoReader},
		}
	}
	return bindings
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
