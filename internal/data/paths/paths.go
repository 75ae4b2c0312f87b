package paths

import (
	"path"
	"strings"

	"pachyderm/internal/fault"
)

// globbing are the characters that patterns are made of.
const globbing = "*?[]{}!()@+^"

// longest is how many bytes a path may have before it is in its one form.
const longest = 4096

// Clean holds a path to what a file's can be, and gives it in its one form: from "/",
// and with "/" at the end if that was there. The texts are upstream's, which clients
// look for. Fault: Invalid.
func Clean(p string) (string, error) {
	if len(p) > longest {
		return "", fault.New(fault.Invalid, "a path of %d bytes is too long", len(p)).Next("use at most %d", longest)
	}
	for i := range len(p) {
		if p[i] < 0x20 || p[i] > 0x7e {
			return "", fault.New(fault.Invalid, "path (%s) invalid: only printable ASCII characters allowed", fault.Clean(p, 200)).
				Next("give the file another name")
		}
		if strings.IndexByte(globbing, p[i]) >= 0 {
			return "", fault.New(fault.Invalid, "globbing character (%c) not allowed in path (%s)", p[i], fault.Clean(p, 200)).
				Next("give the file another name")
		}
	}
	for element := range strings.SplitSeq(p, "/") {
		if element == "." || element == ".." {
			return "", fault.New(fault.Invalid, "path (%s) invalid: relative file paths are not allowed", fault.Clean(p, 200))
		}
	}
	return Form(p), nil
}

// Form gives a path its one form, whether it can be a file's or not.
func Form(p string) string {
	out := path.Clean("/" + p)
	if strings.HasSuffix(p, "/") && out != "/" {
		out += "/"
	}
	return out
}
