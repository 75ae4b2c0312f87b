package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"pachyderm/internal/pachd/pachdtest"
)

// terminal is both ends of one: what a person sees and types, and what a
// program has as its standard streams.
func terminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(person.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = program.Close()
		_ = person.Close()
	})
	return person, program
}

// over is what the person sees when the program has ended.
const over = "<the program has ended>"

// until reads what the person sees up to a text.
func until(t *testing.T, person *os.File, text string) string {
	t.Helper()
	var seen strings.Builder
	buf := make([]byte, 1024)
	for !strings.Contains(seen.String(), text) {
		n, err := person.Read(buf)
		if err != nil {
			t.Fatalf("%v after %q", err, seen.String())
		}
		seen.Write(buf[:n])
		if strings.Contains(seen.String(), over) && !strings.Contains(seen.String(), text) {
			t.Fatalf("no %q in %q", text, seen.String())
		}
	}
	return seen.String()
}

// typed runs pachctl at a terminal, and gives what the person sees when they type an
// answer to a question, or without any.
func (s seat) typed(question, answer string, args ...string) (seen string) {
	s.t.Helper()
	person, program := terminal(s.t)
	c := s.command(args...)
	c.Stdin, c.Stdout, c.Stderr = program, program, program
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := c.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		_ = c.Wait() // what it said is what counts
		_, _ = program.WriteString(over)
	}()
	if question != "" {
		until(s.t, person, question)
		if _, err := person.WriteString(answer); err != nil {
			s.t.Fatal(err)
		}
	}
	return until(s.t, person, over)
}

// Somebody at a terminal is asked before what cannot be undone; scripts are not.
func TestDelete_AsksAtTerminal(t *testing.T) {
	s := newSeat(t, pachdtest.Start(t))
	s.must("", "create", "repo", "r")
	s.must("one", "put", "file", "r@master:/a")
	for _, test := range []struct {
		question string
		args     []string
	}{
		{"Delete repo r with every version of its files? yN", []string{"delete", "repo", "r"}},
		{"Delete branch r@master? Its commits stay. yN", []string{"delete", "branch", "r@master"}},
		{"Remove commit r@master? Its files stay in the commits that follow. yN", []string{"squash", "commit", "r@master"}},
		{"Remove commit r@master with what it has changed? yN", []string{"delete", "commit", "r@master"}},
	} {
		if seen := s.typed(test.question, "n\n", test.args...); !strings.Contains(seen, "operation aborted: nothing was changed") {
			t.Errorf("%q: %q", test.args, seen)
		}
	}
	if all := s.must("", "list", "file", "r@master"); !strings.Contains(all, "/a") {
		t.Errorf("there is only %s", all)
	}
	if seen := s.typed("yN", "y\n", "delete", "branch", "r@master"); strings.Contains(seen, "pachctl:") {
		t.Errorf("it says %q", seen)
	}
	if seen := s.typed("", "", "delete", "repo", "r", "--yes"); strings.Contains(seen, "?") {
		t.Errorf("it asks in spite of --yes: %q", seen)
	}
	if all := s.must("", "list", "repo"); strings.Contains(all, "default") {
		t.Errorf("there is still %s", all)
	}
}

func TestProgressAndColours_Terminal(t *testing.T) {
	s := newSeat(t, pachdtest.Start(t))
	if err := os.WriteFile(filepath.Join(s.dir, "big"), make([]byte, 3<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	s.must("", "create", "repo", "r")
	if seen := s.typed("", "", "put", "file", "r@master", "-f", "big"); !strings.Contains(seen, "1 file, 3MiB\r\n") {
		t.Errorf("putting shows %q", seen)
	}
	if seen := s.typed("", "", "get", "file", "r@master:/big", "-o", "got"); !strings.Contains(seen, "1 file, 3MiB of 3MiB\r\n") {
		t.Errorf("getting shows %q", seen)
	}
	if seen := s.typed("", "", "get", "file", "-r", "r@master", "-o", "all"); !strings.Contains(seen, "1 file, 3MiB of 3MiB\r\n") {
		t.Errorf("getting all shows %q", seen)
	}
	s.must("one", "put", "file", "r@master:/big")
	green, red := "\x1b[32m+   3B    /big\x1b[0m", "\x1b[31m-   3MiB  /big\x1b[0m"
	if seen := s.typed("", "", "diff", "file", "r@master"); !strings.Contains(seen, green) || !strings.Contains(seen, red) {
		t.Errorf("diff shows %q", seen)
	}
	if seen := s.typed("", "", "diff", "file", "r@master", "--no-color"); strings.Contains(seen, "\x1b") || !strings.Contains(seen, "+   3B") {
		t.Errorf("without colours diff shows %q", seen)
	}
}

func TestReadSecret_Terminal(t *testing.T) {
	pachd := pachdtest.Start(t)
	for name, test := range map[string]struct{ typed, said string }{
		"typed":       {pachd.RootToken + "\n", `You are "pach:root"`},
		"interrupted": {"\x03", "interrupted: nothing was changed"},
	} {
		t.Run(name, func(t *testing.T) {
			person, program := terminal(t)
			c := exec.CommandContext(t.Context(), "pachctl", "auth", "use-auth-token")
			c.Stdin, c.Stdout, c.Stderr = program, program, program
			c.Env = append(os.Environ(), "PACHD_ADDRESS="+pachd.GRPC, "PACH_CONFIG="+filepath.Join(t.TempDir(), "config.json"))
			c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			go func() {
				_ = c.Wait() // what it said is what counts
				_, _ = program.WriteString(over)
			}()
			until(t, person, "auth token: ")
			if _, err := person.WriteString(test.typed); err != nil {
				t.Fatal(err)
			}
			seen := until(t, person, over)
			if !strings.Contains(seen, test.said) {
				t.Errorf("no %q in %q", test.said, seen)
			}
			if strings.Contains(seen, pachd.RootToken) {
				t.Errorf("the token shows: %q", seen)
			}
			state, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
			if err != nil || state.Lflag&unix.ECHO == 0 {
				t.Errorf("the terminal was left without echo: %v", err)
			}
		})
	}
}
