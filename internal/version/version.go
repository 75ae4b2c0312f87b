package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	pb "pachyderm/api/version"
)

// The version of upstream's interface that this one is compatible with; its
// clients compare major and minor.
const (
	major = 2
	minor = 13
)

// release is what the linker puts there for a release (make release): a version
// of the interface above, such as 2.13.4 or 2.13.5-dev.12.g0123abc. It is empty in
// other builds.
var release string

// Current is this binary's.
func Current() *pb.Version {
	v := &pb.Version{Major: major, Minor: minor, GoVersion: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	v.Micro, v.Additional = split(release)
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.GitCommit = s.Value
		case "vcs.modified":
			v.GitTreeModified = s.Value
		case "vcs.time":
			v.BuildDate = s.Value
		}
	}
	return v
}

// split takes the part after major and minor apart; of what is no version of this
// interface it makes the first one.
func split(release string) (micro uint32, additional string) {
	rest, ok := strings.CutPrefix(release, fmt.Sprintf("%d.%d.", major, minor))
	if !ok {
		return 0, ""
	}
	number, _, _ := strings.Cut(rest, "-")
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return 0, ""
	}
	return uint32(n), rest[len(number):]
}

// Short is the short form, such as 2.13.0.
func Short(v *pb.Version) string {
	return fmt.Sprintf("%d.%d.%d%s", v.GetMajor(), v.GetMinor(), v.GetMicro(), v.GetAdditional())
}
