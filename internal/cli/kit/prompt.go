package kit

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"pachyderm/internal/fault"
)

// ReadSecret reads one line. At a terminal it asks for it, and what is typed
// does not show; elsewhere the last line needs no newline.
func (k *Kit) ReadSecret(ctx context.Context, prompt string) (string, error) {
	terminal := k.terminal()
	if terminal == nil {
		return k.readLine(ctx)
	}
	// Before the prompt, so that nothing shows of what is typed at once, for
	// which term.ReadPassword is too late.
	before, err := term.MakeRaw(int(terminal.Fd()))
	if err != nil {
		return "", err
	}
	k.Notef("%s ", prompt)
	line, err := wait(ctx, func() (string, error) {
		return term.NewTerminal(struct {
			io.Reader
			io.Writer
		}{terminal, io.Discard}, "").ReadPassword("")
	})
	if errors.Is(err, io.EOF) { // Ctrl-C, which interrupts nothing in this mode, or Ctrl-D
		err = errInterrupted()
	}
	err = errors.Join(err, term.Restore(int(terminal.Fd()), before))
	k.Notef("\n")
	return line, err
}

// terminal is the one at standard input, or nil.
func (k *Kit) terminal() *os.File {
	if f, ok := k.Stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

// Confirm goes on only if the answer begins with y.
func (k *Kit) Confirm(ctx context.Context, question string) error {
	k.Printf("%s\n", question)
	line, err := k.readLine(ctx)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(strings.ToLower(line), "y") {
		return fault.New(fault.Precondition, "operation aborted: nothing was changed")
	}
	return nil
}

// readLine reads one line, which needs no newline at its end.
func (k *Kit) readLine(ctx context.Context) (string, error) {
	return wait(ctx, func() (string, error) {
		line, err := bufio.NewReader(io.LimitReader(k.Stdin, 1<<20)).ReadString('\n')
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return line, err
	})
}

// wait gives the line that comes without the space around it, unless ctx ends
// before it does: reading itself cannot be ended.
func wait(ctx context.Context, read func() (string, error)) (string, error) {
	type result struct {
		line string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		line, err := read()
		done <- result{line, err}
	}()
	select {
	case r := <-done:
		return strings.TrimSpace(r.line), r.err
	case <-ctx.Done():
		return "", errInterrupted()
	}
}

func errInterrupted() error { return fault.New(fault.Unavailable, "interrupted: nothing was changed") }

// ReadInput is the content of a file, or of standard input for "-".
func (k *Kit) ReadInput(path string) ([]byte, error) {
	if path != "-" {
		data, err := os.ReadFile(path) //nolint:gosec // the user names the file
		if err != nil {
			return nil, fault.New(fault.Invalid, "cannot read the file: %v", err)
		}
		return data, nil
	}
	if k.terminal() != nil {
		k.Notef("Reading from the terminal; end with Ctrl-D.\n")
	}
	data, err := io.ReadAll(io.LimitReader(k.Stdin, 2<<20))
	if err != nil {
		return nil, fault.New(fault.Invalid, "cannot read standard input: %v", err)
	}
	return data, nil
}
