package idp

import (
	"os"
	"path/filepath"
	"testing"
)

// nodeProgram is Node of the version that the packages want, and checks that
// they are there.
func nodeProgram(tb testing.TB, packages ...string) string {
	tb.Helper()
	modules := filepath.Join(testDir(tb), "node_modules")
	node := filepath.Join(modules, "node", "bin", "node")
	need(tb, node)
	for _, p := range packages {
		need(tb, filepath.Join(modules, p, "package.json"))
	}
	return node
}

func link(tb testing.TB, to, path string) {
	tb.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		tb.Fatal(err)
	}
	if err := os.Symlink(to, path); err != nil {
		tb.Fatal(err)
	}
}
