package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Env is the world as the commands see it.
type Env struct {
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Getenv func(string) string
	Now    func() time.Time
}

func (e Env) printf(format string, a ...any) {
	_, _ = fmt.Fprintf(e.Stdout, format, a...)
}

// notef says something beside the answer.
func (e Env) notef(format string, a ...any) {
	_, _ = fmt.Fprintf(e.Stderr, format, a...)
}

// readSecret reads one line. At a terminal it asks for it, and what is typed
// does not show; elsewhere the last line needs no newline.
func (e Env) readSecret(ctx context.Context, prompt string) (string, error) {
	hidden := false
	terminal, _ := e.Stdin.(*os.File)
	if terminal != nil && isTerminal(terminal) {
		hidden = echo(ctx, terminal, false) == nil
		e.notef("%s ", prompt)
	}
	line, err := e.readLine(ctx)
	if hidden {
		e.notef("\n")
		if err := echo(context.WithoutCancel(ctx), terminal, true); err != nil {
			return "", fmt.Errorf("the terminal cannot be restored: %w: type: stty echo", err)
		}
	}
	return line, err
}

// readLine reads one line, which needs no newline at its end, without the
// space around it.
func (e Env) readLine(ctx context.Context) (string, error) {
	type answer struct {
		line string
		err  error
	}
	read := make(chan answer, 1)
	go func() {
		line, err := bufio.NewReader(io.LimitReader(e.Stdin, 1<<20)).ReadString('\n')
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

// readInput is the content of a file, or of standard input for "-".
func (e Env) readInput(path string) ([]byte, error) {
	if path != "-" {
		data, err := os.ReadFile(path) //nolint:gosec // the user names the file
		if err != nil {
			return nil, fmt.Errorf("cannot read the file: %w", err)
		}
		return data, nil
	}
	if f, ok := e.Stdin.(*os.File); ok && isTerminal(f) {
		e.notef("Reading from the terminal; end with Ctrl-D.\n")
	}
	data, err := io.ReadAll(io.LimitReader(e.Stdin, 2<<20))
	if err != nil {
		return nil, fmt.Errorf("cannot read standard input: %w", err)
	}
	return data, nil
}
