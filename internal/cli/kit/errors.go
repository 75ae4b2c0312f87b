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

// failure is an error whose text is for the user as it is, and whose exit code
// does not depend on its cause.
type failure struct {
	message string
	cause   error
}

func (e *failure) Error() string { return e.message }
func (e *failure) Unwrap() error { return e.cause }

// Failf makes an error whose text is for the user as it is.
func Failf(cause error, format string, a ...any) error {
	return &failure{fmt.Sprintf(format, a...), cause}
}

// Report tells the user what went wrong and returns the exit code.
func (k *Kit) Report(err error) int {
	message, code := Explain(err)
	k.Notef("pachctl: %s\n", strings.TrimSpace(message))
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

// Explain is what the user is told of an error, and the exit code.
func Explain(err error) (message string, code int) {
	var usage *usageError
	var said *failure
	var unreachable *client.UnreachableError
	switch {
	case errors.As(err, &usage):
		return usage.message, exitUsage
	case errors.As(err, &said):
		return said.message, exitFailure
	case errors.As(err, &unreachable):
		return client.MessageOf(err) + ": start it, or set the address with: pachctl connect ADDRESS", exitFailure
	case errors.Is(err, context.Canceled):
		return interrupted, exitFailure
	case errors.Is(err, context.DeadlineExceeded):
		return "pachd did not answer in time: context deadline exceeded: try again, or allow more time", exitFailure
	}
	message = client.MessageOf(err)
	if fault.KindOf(err) != fault.Internal {
		message = fault.Message(err)
	}
	switch status.Code(err) {
	case codes.Unauthenticated:
		return WithNext(err, message, "sign in with: pachctl auth login"), exitNotSignedIn
	case codes.Canceled:
		return interrupted, exitFailure
	case codes.DeadlineExceeded:
		return "pachd did not answer in time: " + WithNext(err, message, "try again, or allow more time"), exitFailure
	case codes.Unimplemented:
		return WithNext(err, message, "the server does not offer this"), exitFailure
	}
	return message, exitFailure
}

// WithNext adds what to do, unless pachd has said that in the message.
func WithNext(err error, message, next string) string {
	if client.NextOf(err) != "" {
		return message
	}
	return message + ": " + next
}

// Prefixed says at which step an error of pachd came up, and keeps its code.
func Prefixed(step string, err error) error {
	var unreachable *client.UnreachableError
	if errors.As(err, &unreachable) || status.Code(err) == codes.Unauthenticated || errors.Is(err, context.Canceled) {
		return err
	}
	message, _ := Explain(err)
	return Failf(err, "%s: %s", step, message)
}
