package issuer

import (
	"bytes"
	"log/slog"
	"testing"
)

// Some of Dex's debug lines hold what a provider said of a person, or a code.
func TestDexLog_NoDebugLines(t *testing.T) {
	var out bytes.Buffer
	all := slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})
	log := (&Issuer{with: Config{Log: slog.New(all)}}).dexLog()
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
