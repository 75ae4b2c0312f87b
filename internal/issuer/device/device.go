package device

import (
	"context"
	"strings"
	"time"
	"unicode"

	"pachyderm/internal/fault"
	"pachyderm/internal/limit"
)

// PollEvery is how long a device waits between two polls, and by how much
// longer after each that came too early (RFC 8628, 3.5).
const PollEvery = 5 * time.Second

// Asker is who asks, for the person to recognise: a name that the client
// claims, and the address that it came from.
type Asker struct{ Name, Address string }

// NewAsker is who sends a request, by the name that it gives itself.
func NewAsker(ctx context.Context, name string) Asker {
	return Asker{Name: CleanName(name), Address: limit.AddressOf(ctx)}
}

// Request is one sign-in.
type Request struct {
	Asker
	UserCode    string
	DeviceHash  string // of the device code
	ClientID    string
	Scopes      []string
	Challenge   string // S256 (RFC 7636), or empty
	ConfirmedBy string // hash of the browser in which the person said yes
	Refused     string // why it ended, in words for the device
	Created     time.Time
	Expires     time.Time
	Polled      time.Time     // zero: not yet
	Interval    time.Duration // that the device must wait between two polls
}

// Poll notes a poll, and reports whether it came too early, for which the device
// has to wait longer from now on. The request must be stored again.
func (r *Request) Poll(now time.Time) (early bool) {
	early = !r.Polled.IsZero() && now.Before(r.Polled.Add(r.Interval))
	if early {
		r.Interval += PollEvery
	}
	r.Polled = now
	return early
}

// CleanName makes the name that a client gives itself fit for display.
func CleanName(name string) string { return fault.Clean(name, 100) }

// CleanReason does so with a reason, which tells what to do next at its end.
func CleanReason(reason string) string { return fault.Clean(reason, 600) }

// NormalUserCode forgives lower case, spaces and a missing dash.
func NormalUserCode(s string) string {
	s = strings.Map(func(c rune) rune {
		if c == '-' || unicode.IsSpace(c) {
			return -1
		}
		return unicode.ToUpper(c)
	}, s)
	if len(s) != 8 {
		return s
	}
	return s[:4] + "-" + s[4:]
}
