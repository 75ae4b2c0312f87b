package version

import (
	"fmt"
	"runtime"
	"runtime/debug"

	pb "pachyderm/api/version"
)

// The version of upstream's interface that this one is compatible with; its
// clients compare major and minor.
const (
	major = 2
	minor = 13
	micro = 0
)

// Current is this binary's.
func Current() *pb.Version {
	v := &pb.Version{Major: major, Minor: minor, Micro: micro, GoVersion: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
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

// Short is the short form, such as 2.13.0.
func Short(v *pb.Version) string {
	return fmt.Sprintf("%d.%d.%d%s", v.GetMajor(), v.GetMinor(), v.GetMicro(), v.GetAdditional())
}
