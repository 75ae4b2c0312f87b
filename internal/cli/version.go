package cli

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/emptypb"

	versionpb "pachyderm/api/version"
	"pachyderm/internal/cli/kit"
)

// shownVersion is a version for scripts.
type shownVersion struct {
	Version   string `json:"version"`
	GitCommit string `json:"git_commit,omitempty"`
	BuildDate string `json:"build_date,omitempty"`
	GoVersion string `json:"go_version,omitempty"`
	Platform  string `json:"platform,omitempty"`
}

func shown(v *versionpb.Version) *shownVersion {
	return &shownVersion{Version: semver(v), GitCommit: v.GetGitCommit(), BuildDate: v.GetBuildDate(), GoVersion: v.GetGoVersion(), Platform: v.GetPlatform()}
}

func semver(v *versionpb.Version) string {
	return fmt.Sprintf("%d.%d.%d%s", v.GetMajor(), v.GetMinor(), v.GetMicro(), v.GetAdditional())
}

type versionOptions struct {
	clientOnly, architecture, enterprise, raw, compare bool
	timeout                                            string
	out                                                kit.Format
}

func versionCommand(k *kit.Kit) *cobra.Command {
	var o versionOptions
	c := &cobra.Command{
		Use: "version", Short: "Show the versions of pachctl and pachd", Args: kit.Exactly(0),
		Example: "  pachctl version\n  pachctl version --client-only\n  pachctl version -o json",
		RunE:    func(c *cobra.Command, _ []string) error { return runVersion(k, c, o) },
	}
	f := c.Flags()
	f.BoolVar(&o.clientOnly, "client-only", false, "show the version of pachctl alone")
	f.BoolVar(&o.architecture, "print-architecture", false, "print the processor and the operating system first")
	f.StringVar(&o.timeout, "timeout", "default", "how long to wait for pachd, such as 5s")
	f.BoolVar(&o.raw, "raw", false, "as --output json")
	f.BoolVar(&o.compare, "compare", false, "fail unless both versions are the same")
	kit.EnterpriseFlag(c, &o.enterprise)
	kit.OutputFlag(c, &o.out)
	return c
}

func runVersion(k *kit.Kit, cmd *cobra.Command, o versionOptions) error {
	if o.raw && o.out == "" {
		o.out = "json"
	}
	timeout := 10 * time.Second
	if o.timeout != "default" {
		var err error
		if timeout, err = time.ParseDuration(o.timeout); err != nil {
			return kit.Usagef(cmd, "could not parse duration %q: write it as 500ms or 5s", o.timeout)
		}
	}
	if o.architecture {
		k.Printf("%s\n%s\n", runtime.GOARCH, runtime.GOOS)
	}
	own := kit.Version()
	if o.out == "" {
		k.Printf("%-20s%s\n%-20s%s\n", "COMPONENT", "VERSION", "pachctl", semver(own))
	}
	answer := map[string]*shownVersion{"pachctl": shown(own)}
	if !o.clientOnly {
		server, err := serverVersion(cmd.Context(), k, o.enterprise, timeout)
		if err != nil {
			return err
		}
		if o.out == "" {
			k.Printf("%-20s%s\n", "pachd", semver(server))
		}
		answer["pachd"] = shown(server)
		if o.compare && semver(server) != semver(own) {
			return errors.New("the versions differ: install the pachctl that belongs to the server")
		}
	}
	if o.out != "" {
		return k.Show(o.out, answer)
	}
	return nil
}

func serverVersion(ctx context.Context, k *kit.Kit, enterprise bool, timeout time.Duration) (*versionpb.Version, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var v *versionpb.Version
	err := k.WithConn(ctx, enterprise, func(ctx context.Context, c *kit.Conn) (err error) {
		v, err = c.Version.GetVersion(ctx, &emptypb.Empty{})
		return err
	})
	return v, err
}
