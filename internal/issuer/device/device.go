package device

import (
	"context"
	"strings"
	"time"
	"unicode"

	"pachyderm/internal/fault"
	"pachyderm/internal/limit"
)

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
	DeviceCode  string // only when it is created; its hash is stored
	ClientID    string
	ConfirmedBy string // hash of the browser in which the person said yes
	Refused     string // why it ended, in words for the device
	Created     time.Time
	Expires     time.Time
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
