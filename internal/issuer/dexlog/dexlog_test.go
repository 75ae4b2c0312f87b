package dexlog_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"pachyderm/internal/issuer/dexlog"
)

// Some of Dex's debug lines hold what a provider said of a person, or a code.
func TestLog_NoDebugLines(t *testing.T) {
	var out bytes.Buffer
	all := slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})
	log := dexlog.New(slog.New(all))
	for _, l := range []*slog.Logger{log, log.With("a", 1), log.WithGroup("g")} {
		l.Debug("a secret")
	}
	if out.Len() > 0 {
		t.Errorf("logged: %s", &out)
	}
	log.Info("said")
	if out.Len() == 0 {
		t.Error("what is no debug line is lost")
	}
}

func TestLog_LittleOfWhatAnybodySends(t *testing.T) {
	var out bytes.Buffer
	long := strings.Repeat("x", 8<<10)
	dexlog.New(slog.New(slog.NewTextHandler(&out, nil))).Error("no "+long, "err", long, "short", "kept") //nolint:sloglint // as Dex may
	if out.Len() > 1500 || !strings.Contains(out.String(), "short=kept") {
		t.Errorf("%d bytes: %s", out.Len(), &out)
	}
}
