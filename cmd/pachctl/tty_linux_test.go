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
