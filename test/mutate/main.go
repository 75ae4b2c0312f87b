// Mutate changes the code of a package in one place at a time, as somebody might
// who weakens it, and lists the changes that no test notices.
//
//	go run ./test/mutate [-most N] [-list] PACKAGES [OTHER...]
//
// The tests that run are those of the changed package, and of the other ones. No
// file is touched: a change is an overlay of the go command's. Tests run on
// SQLite only: what differs between the databases is package db's. What no test
// runs is counted, not tried. A change that makes the tests hang is noticed.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	most := flag.Int("most", 0, "try so many changes at most, the same ones each time; 0 tries all")
	list := flag.Bool("list", false, "print what no test runs, too")
	flag.Parse()
	if flag.NArg() == 0 {
		log.Fatal("name the packages to change (./internal/access/...), and then others whose tests run beside their own")
	}
	if err := mutate(context.Background(), log.New(os.Stdout, "", 0), flag.Arg(0), flag.Args()[1:], *most, *list); err != nil {
		log.Fatal(err)
	}
}

func mutate(ctx context.Context, out *log.Logger, packages string, others []string, most int, list bool) error {
	dir, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	all, err := changes(ctx, packages)
	if err != nil {
		return err
	}
	ran, err := coverage(ctx, dir, packages, others)
	if err != nil {
		return err
	}
	var runs []change
	for _, c := range all {
		if ran.at(c.runs) {
			runs = append(runs, c)
		} else if list {
			out.Println("not run:", c)
		}
	}
	notRun := len(all) - len(runs)
	if most > 0 && len(runs) > most {
		random := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // a sample that is to be the same each time
		random.Shuffle(len(runs), func(i, j int) { runs[i], runs[j] = runs[j], runs[i] })
		runs = runs[:most]
	}
	var noticed, passed, broken int
	for _, c := range runs {
		switch result, err := try(ctx, dir, c, others); {
		case err != nil:
			return err
		case result == isBroken:
			broken++
		case result == isNoticed:
			noticed++
		default:
			passed++
			out.Println("not noticed:", c)
		}
	}
	out.Printf("%s: %d noticed, %d not noticed; %d not run by tests, %d do not compile", packages, noticed, passed, notRun, broken)
	return nil
}

// changes are the changes to the files of the packages that are not generated.
func changes(ctx context.Context, packages string) ([]change, error) {
	listed, err := exec.CommandContext(ctx, "go", "list", "-json=Dir,GoFiles,ImportPath", packages).Output() //nolint:gosec // the caller's own machine
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w", packages, err)
	}
	var all []change
	for list := json.NewDecoder(bytes.NewReader(listed)); list.More(); {
		var p struct {
			Dir, ImportPath string
			GoFiles         []string
		}
		if err := list.Decode(&p); err != nil {
			return nil, err
		}
		for _, name := range p.GoFiles {
			path := filepath.Join(p.Dir, name)
			text, err := os.ReadFile(path) //nolint:gosec // a file of the package
			if err != nil {
				return nil, err
			}
			of, err := inFile(path, text)
			if err != nil {
				return nil, err
			}
			for _, c := range of {
				c.pkg, c.file, c.runs.file = p.ImportPath, path, p.ImportPath+"/"+name
				all = append(all, c)
			}
		}
	}
	return all, nil
}

type result int

const (
	isPassed result = iota
	isNoticed
	isBroken
)

func try(ctx context.Context, dir string, c change, others []string) (result, error) {
	changed, overlay := filepath.Join(dir, "changed.go"), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(changed, c.text, 0o600); err != nil {
		return 0, err
	}
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {c.file: changed}})
	if err != nil {
		return 0, err
	}
	if err := os.WriteFile(overlay, replace, 0o600); err != nil {
		return 0, err
	}
	output, err := test(ctx, append([]string{c.pkg}, others...), "-failfast", "-overlay", overlay)
	var failed *exec.ExitError
	switch {
	case err == nil:
		return isPassed, nil
	case !errors.As(err, &failed):
		return 0, err
	case bytes.Contains(output, []byte("[build failed]")):
		return isBroken, nil
	}
	return isNoticed, nil
}

func test(ctx context.Context, packages []string, flags ...string) ([]byte, error) {
	args := append([]string{"test", "-vet=off", "-timeout", "2m", "-skip", "/postgres$"}, flags...)
	return exec.CommandContext(ctx, "go", append(args, packages...)...).CombinedOutput() //nolint:gosec // the caller's own machine
}

// coverage says what the tests run, and that they pass as the code is.
func coverage(ctx context.Context, dir, packages string, others []string) (profile, error) {
	path := filepath.Join(dir, "coverage")
	flags := []string{"-coverprofile", path}
	if len(others) > 0 {
		flags = append(flags, "-coverpkg", packages)
	}
	if output, err := test(ctx, append([]string{packages}, others...), flags...); err != nil {
		return nil, fmt.Errorf("the tests fail before anything is changed: %w\n%s", err, output)
	}
	text, err := os.ReadFile(path) //nolint:gosec // written above
	if err != nil {
		return nil, err
	}
	var ran profile
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(line, ":")
		var b block
		var statements, count int
		if _, err := fmt.Sscanf(rest, "%d.%d,%d.%d %d %d", &b.line, &b.column, &b.endLine, &b.endColumn, &statements, &count); err == nil && count > 0 {
			b.file = name
			ran = append(ran, b)
		}
	}
	return ran, nil
}

type place struct {
	file         string
	line, column int
}

type block struct {
	place
	endLine, endColumn int
}

type profile []block

func (p profile) at(where place) bool {
	for _, b := range p {
		after := where.line > b.line || where.line == b.line && where.column >= b.column
		before := where.line < b.endLine || where.line == b.endLine && where.column < b.endColumn
		if b.file == where.file && after && before {
			return true
		}
	}
	return false
}
