package show

import (
	"testing"
	"time"
)

func TestSize(t *testing.T) {
	for bytes, want := range map[int64]string{
		0: "0B", 5: "5B", 1023: "1023B", 1024: "1KiB", 1536: "1.5KiB", 58650: "57.28KiB", 1<<20 - 1: "1024KiB", 3 << 20: "3MiB", 1 << 40: "1TiB", 1<<63 - 1: "8EiB",
	} {
		if got := Size(bytes); got != want {
			t.Errorf("Size(%d) = %s, want %s", bytes, got, want)
		}
	}
}

func TestAgo(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	for d, want := range map[time.Duration]string{
		-time.Hour: "Less than a second ago", 999 * time.Millisecond: "Less than a second ago", time.Second: "1 second ago",
		59 * time.Second: "59 seconds ago", time.Minute: "About a minute ago", 2 * time.Minute: "2 minutes ago", 59 * time.Minute: "59 minutes ago",
		time.Hour: "About an hour ago", 2 * time.Hour: "2 hours ago", 47 * time.Hour: "47 hours ago", 2 * day: "2 days ago", 13 * day: "13 days ago",
		14 * day: "2 weeks ago", 59 * day: "8 weeks ago", 60 * day: "2 months ago", 729 * day: "24 months ago", 730 * day: "2 years ago",
	} {
		if got := Ago(now, now.Add(-d)); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
