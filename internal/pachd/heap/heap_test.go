package heap

import (
	"runtime"
	"runtime/metrics"
	"testing"
)

func TestHeap_GrowsBeforeItIsCollected(t *testing.T) {
	for live, want := range map[uint64]int{0: 1500, 8 << 20: 700, 16 << 20: 300, 31 << 20: 100, 32 << 20: 100, 1 << 30: 100} {
		if got := gcPercent(live); got != want {
			t.Errorf("with %d MiB in use: %d %%, want %d", live>>20, got, want)
		}
	}
	set := func() uint64 {
		s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(s)
		return s[0].Value.Uint64()
	}
	if Size([]string{"A=b", "GOGC=77"}); set() != 100 {
		t.Errorf("%d %%, although GOGC says otherwise", set())
	}
	runtime.GC()
	if Size(nil); set() <= 100 {
		t.Errorf("%d %%, with little in use", set())
	}
	grown := make([]byte, 2*least) // it follows
	for set() != 100 {
		runtime.GC()
		runtime.Gosched()
	}
	runtime.KeepAlive(grown)
}
