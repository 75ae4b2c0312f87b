package ref

import (
	"errors"
	"strings"
	"testing"

	"pachyderm/api/pfs"
)

const id = "0d7a9ca4d1b84c5b9f4c3e1a2b3c4d5e"

// written is a file in one line: project/repo.type, branch, id and path.
func written(f *pfs.File) string {
	c := f.GetCommit()
	r := c.GetRepo()
	return r.GetProject().GetName() + "/" + r.GetName() + "." + r.GetType() + " " + c.GetBranch().GetName() + " " + c.GetId() + " " + f.GetPath()
}

func TestParseFile(t *testing.T) {
	for arg, want := range map[string]string{
		"images@master":              "lab/images.user master  ",
		"images@master:":             "lab/images.user master  ",
		"images@master:/":            "lab/images.user master  /",
		"images@master:/a b/c.png":   "lab/images.user master  /a b/c.png",
		"images@master:a:b@c=d":      "lab/images.user master  a:b@c=d",
		"images.meta@master:/x":      "lab/images.meta master  /x",
		"images@" + id + ":/x":       "lab/images.user  " + id + " /x",
		"images@master=" + id + ":x": "lab/images.user master " + id + " x",
		"images@master^2:/x":         "lab/images.user  master^2 /x",
		"images@master~:/x":          "lab/images.user  master~ /x",
		"images@master.1:/x":         "lab/images.user  master.1 /x",
		"images@" + id + "^:/x":      "lab/images.user  " + id + "^ /x",
		// Only the 13th digit makes an id of it: a branch may be called anything else.
		"images@0d7a9ca4d1b85c5b9f4c3e1a2b3c4d5e": "lab/images.user 0d7a9ca4d1b85c5b9f4c3e1a2b3c4d5e  ",
	} {
		f, err := ParseFile(arg, "lab")
		if err != nil || written(f) != want {
			t.Errorf("%s: %q, %v, want %q", arg, written(f), err, want)
		}
	}
}

// What people mistype is answered with what they may have meant.
func TestParse_Mistyped(t *testing.T) {
	file := func(arg string) error { _, err := ParseFile(arg, "lab"); return err }
	commit := func(arg string) error { _, err := ParseCommit(arg, "lab"); return err }
	branch := func(arg string) error { _, err := ParseBranch(arg, "lab"); return err }
	repo := func(arg string) error { _, err := ParseRepo(arg, "lab"); return err }
	for _, test := range []struct {
		parse     func(string) error
		arg, want string
	}{
		{file, "", "has no @"},
		{file, "images", "write REPO@BRANCH-OR-COMMIT:PATH"},
		{file, "images:/a.png", "such as images@master:/a.png"},
		{file, "images@", "such as images@master"},
		{file, "@master:/a", "names no repository"},
		{file, "images@:/a", "names no commit"},
		{file, "images@=" + id, "names no commit"},
		{file, "images@master=:/a", "names no commit"},
		{file, "images@master/a.png", "write images@master:/a.png"},
		{file, "images@master@" + id, "two @"},
		{file, "images@a^=" + id, "no name of a branch"},
		{file, "lab/images@master:/a", "write images --project lab"},
		{file, "/images@master:/a", "names no repository"},
		{file, "my.images@master:/a", "type behind one is user, meta or spec"},
		{file, ".meta@master:/a", "stands before the dot"},
		{commit, "images@master:/a", "leave out the :"},
		{commit, id, "write REPO@" + id},
		{commit, "images", "write REPO@BRANCH-OR-COMMIT"},
		{branch, "images@master:/a", "leave out the :"},
		{branch, "images@" + id, "names a commit"},
		{branch, "images@master^", "no name of a branch"},
		{branch, "images", "write REPO@BRANCH, such as images@master"},
		{repo, "", "is empty"},
		{repo, "images@master", "leave out the @"},
		{repo, "images:/a", "stands behind a branch"},
		{repo, "lab/images", "write images --project lab"},
	} {
		err := test.parse(test.arg)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v, which does not say %q", test.arg, err, test.want)
		}
	}
}

// Whatever is taken names a repository and a commit of it.
func FuzzParseFile(f *testing.F) {
	for _, seed := range []string{"images@master:/a", "a.meta@" + id, "a@b=c:d", "@:", "a/b@c", "a@b^2~3.4:x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		file, err := ParseFile(arg, "lab")
		if err != nil {
			return
		}
		c := file.GetCommit()
		if c.GetRepo().GetName() == "" || strings.ContainsAny(c.GetRepo().GetName(), "@:/.") || c.GetId() == "" && c.GetBranch().GetName() == "" {
			t.Errorf("%q names %v", arg, file)
		}
	})
}
