package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// The version of upstream's interface that this one is compatible with; its
// clients compare major and minor.
const (
	major = 2
	minor = 13
	micro = 0
)

// Version is a semantic version and where it was built from.
type Version struct {
	Major, Minor, Micro    uint32
	Additional             string
	Commit, Modified, Date string
	Go, Platform           string
}

// Current is this binary's.
func Current() Version {
	v := Version{Major: major, Minor: minor, Micro: micro, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.modified":
			v.Modified = s.Value
		case "vcs.time":
			v.Date = s.Value
		}
	}
	return v
}

// String is the short form, such as 2.13.0.
func (v Version) String() string {
	return fmt.Sprintf("%d.%d.%d%s", v.Major, v.Minor, v.Micro, v.Additional)
}
