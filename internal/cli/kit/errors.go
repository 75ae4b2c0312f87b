package kit

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pachyderm/client"
	"pachyderm/internal/fault"
)

// The exit codes.
const (
	exitOK = iota
	exitFailure
	exitUsage
	exitNotSignedIn
)

// interrupted is for a command that Ctrl-C ended on its way.
const interrupted = "interrupted: whether pachd has done it already is not known"

// usageError is a command line that cannot be understood.
type usageError struct {
	command *cobra.Command
	message string
}

func (e *usageError) Error() string { return e.message }

// Usagef is for a command line that cannot be understood; how it is used is
// shown beside the text.
func Usagef(c *cobra.Command, format string, a ...any) error {
	return &usageError{c, fmt.Sprintf(format, a...)}
}

// Report tells the user what went wrong and returns the exit code.
func (k *Kit) Report(err error) int {
	message, code := Explain(err)
	k.Notef("pachctl: %s\n", indented(message))
	var usage *usageError
	if errors.As(err, &usage) && usage.command != nil {
		line := usage.command.UseLine()
		if usage.command.HasSubCommands() {
			line = usage.command.CommandPath() + " COMMAND"
		}
		k.Notef("\nUsage: %s\nMore:  %s --help\n", line, usage.command.CommandPath())
	}
	return code
}

// indented has all lines of a message but the first begin with spaces, so that none of
// them passes for one that pachctl has begun.
func indented(message string) Lines {
	return Lines(strings.ReplaceAll(strings.TrimSpace(legible(message)), "\n", "\n  "))
}

// Explain is what the user is told of an error, and the exit code. A fault, as
// commands make them, is told as it is.
func Explain(err error) (message string, code int) {
	var usage *usageError
	var unreachable *client.UnreachableError
	switch {
	case errors.As(err, &usage):
		return usage.message, exitUsage
	case fault.KindOf(err) != fault.Internal:
		return fault.Message(err), exitFailure
	case errors.As(err, &unreachable):
		return withNext(err, "start it, or set the address with: pachctl connect ADDRESS"), exitFailure
	case errors.Is(err, context.Canceled) || status.Code(err) == codes.Canceled:
		return interrupted, exitFailure
	case errors.Is(err, context.DeadlineExceeded):
		return "pachd did not respond in time: context deadline exceeded: " + moreTime, exitFailure
	}
	switch status.Code(err) {
	case codes.Unauthenticated:
		return withNext(err, "sign in with: pachctl auth login"), exitNotSignedIn
	case codes.DeadlineExceeded:
		return "pachd did not respond in time: " + withNext(err, moreTime), exitFailure
	case codes.Unimplemented:
		return withNext(err, "the server does not offer this"), exitFailure
	}
	return client.MessageOf(err), exitFailure
}

const moreTime = "try again, or allow more time"

// withNext adds what to do, unless the message says it already.
func withNext(err error, next string) string {
	if client.NextOf(err) != "" {
		return client.MessageOf(err)
	}
	return client.MessageOf(err) + ": " + next
}

// Prefixed says at which step an error of pachd came up, unless it is about the
// connection or the session.
func Prefixed(step string, err error) error {
	var unreachable *client.UnreachableError
	if errors.As(err, &unreachable) || status.Code(err) == codes.Unauthenticated || errors.Is(err, context.Canceled) {
		return err
	}
	message, _ := Explain(err)
	return fault.New(fault.Precondition, "%s: %s", step, message)
}
