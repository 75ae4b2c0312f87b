package signin

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestPoll_RFC8628(t *testing.T) {
	var waited []time.Duration
	wait := func(_ context.Context, d time.Duration) error {
		waited = append(waited, d)
		return nil
	}
	script := func(answers ...error) func() error {
		return func() error {
			next := answers[0]
			answers = answers[1:]
			return next
		}
	}
	pending, slow := &oauthError{Code: "authorization_pending"}, &oauthError{Code: "slow_down"}
	if err := poll(t.Context(), time.Second, wait, script(pending, slow, pending, nil)); err != nil {
		t.Error(err)
	}
	if len(waited) != 4 || waited[1] != time.Second || waited[2] != 6*time.Second || waited[3] != 6*time.Second {
		t.Errorf("waited %v", waited)
	}
	waited = nil
	if err := poll(t.Context(), 0, wait, script(nil)); err != nil || waited[0] != 5*time.Second {
		t.Errorf("without an interval: %v, %v", waited, err)
	}
	for code, want := range map[string]string{"expired_token": "has expired", "access_denied": "Alice said no", "invalid_grant": "Alice said no"} {
		err := poll(t.Context(), 1, wait, script(&oauthError{Code: code, Description: "Alice said no"}))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", code, err)
		}
	}
	broken := errors.New("broken")
	if err := poll(t.Context(), 1, wait, script(broken)); !errors.Is(err, broken) {
		t.Errorf("another error: %v", err)
	}
	if err := poll(t.Context(), 1, func(context.Context, time.Duration) error { return broken }, nil); !errors.Is(err, broken) {
		t.Errorf("an interrupted wait: %v", err)
	}
}
