package dexlog_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"pachyderm/internal/fault"
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

// An operator is woken by errors: what people do every day is none.
func TestLog_LevelOfWhatIsExpected(t *testing.T) {
	denied := fault.New(fault.Denied, "user:carol@example.com belongs to another account")
	for message, c := range map[string]struct {
		err  error
		want string
	}{
		"failed to authenticate":                                             {denied, "WARN"},
		"connector returned error when creating callback":                    {fault.Prefix(denied, "demo"), "WARN"},
		"failed login attempt: Invalid credentials.":                         {nil, "WARN"},
		"failed to parse authorization request":                              {errors.New("Unrecognized scope(s)"), "WARN"},
		"failed to get auth request":                                         {errors.New("begin: sql: database is closed"), "ERROR"},
		"failed to rotate keys":                                              {fault.New(fault.Internal, "no randomness"), "ERROR"},
		"failed to authenticate the storage: a message that begins likewise": {errors.New("x"), "ERROR"},
	} {
		var out bytes.Buffer
		dexlog.New(slog.New(slog.NewTextHandler(&out, nil))).Error(message, "err", c.err) //nolint:sloglint // as Dex does
		if !strings.Contains(out.String(), "level="+c.want) {
			t.Errorf("%s: %s", message, &out)
		}
	}
}
