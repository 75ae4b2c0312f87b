package kit

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// ReadSecret reads one line. At a terminal it asks for it, and what is typed
// does not show; elsewhere the last line needs no newline.
func (k *Kit) ReadSecret(ctx context.Context, prompt string) (string, error) {
	hidden := false
	terminal, _ := k.Stdin.(*os.File)
	if terminal != nil && isTerminal(terminal) {
		hidden = echo(ctx, terminal, false) == nil
		k.Notef("%s ", prompt)
	}
	line, err := k.readLine(ctx)
	if hidden {
		k.Notef("\n")
		if err := echo(context.WithoutCancel(ctx), terminal, true); err != nil {
			return "", fmt.Errorf("the terminal cannot be restored: %w: type: stty echo", err)
		}
	}
	return line, err
}

// Confirm goes on only if the answer begins with y.
func (k *Kit) Confirm(ctx context.Context, question string) error {
	k.Printf("%s\n", question)
	line, err := k.readLine(ctx)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(strings.ToLower(line), "y") {
		return errors.New("operation aborted: nothing was changed")
	}
	return nil
}

// readLine reads one line, which needs no newline at its end, without the
// space around it.
func (k *Kit) readLine(ctx context.Context) (string, error) {
	type answer struct {
		line string
		err  error
	}
	read := make(chan answer, 1)
	go func() {
		line, err := bufio.NewReader(io.LimitReader(k.Stdin, 1<<20)).ReadString('\n')
		if errors.Is(err, io.EOF) {
			err = nil
		}
		read <- answer{line, err}
	}()
	select {
	case got := <-read:
		return strings.TrimSpace(got.line), got.err
	case <-ctx.Done():
		return "", errors.New("interrupted: nothing was changed")
	}
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// echo switches the terminal's echo. It fails on what is a device but no
// terminal, such as /dev/null.
func echo(ctx context.Context, terminal *os.File, on bool) error {
	mode := "-echo"
	if on {
		mode = "echo"
	}
	c := exec.CommandContext(ctx, "stty", mode)
	c.Stdin = terminal
	return c.Run()
}

// ReadInput is the content of a file, or of standard input for "-".
func (k *Kit) ReadInput(path string) ([]byte, error) {
	if path != "-" {
		data, err := os.ReadFile(path) //nolint:gosec // the user names the file
		if err != nil {
			return nil, fmt.Errorf("cannot read the file: %w", err)
		}
		return data, nil
	}
	if f, ok := k.Stdin.(*os.File); ok && isTerminal(f) {
		k.Notef("Reading from the terminal; end with Ctrl-D.\n")
	}
	data, err := io.ReadAll(io.LimitReader(k.Stdin, 2<<20))
	if err != nil {
		return nil, fmt.Errorf("cannot read standard input: %w", err)
	}
	return data, nil
}
