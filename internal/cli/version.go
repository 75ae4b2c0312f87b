package cli

import (
	"context"
	"runtime"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/emptypb"

	versionpb "pachyderm/api/version"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
	"pachyderm/internal/version"
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
	return &shownVersion{
		Version: version.Short(v), GitCommit: v.GetGitCommit(), BuildDate: v.GetBuildDate(),
		GoVersion: v.GetGoVersion(), Platform: v.GetPlatform(),
	}
}

type versionOptions struct {
	clientOnly, architecture, enterprise, compare bool
	timeout                                       time.Duration
	out                                           string
}

func showVersion(k *kit.Kit) *cobra.Command {
	var o versionOptions
	var raw bool
	var timeout string
	c := &cobra.Command{
		Use: "version", Short: "Show the versions of pachctl and pachd", Args: kit.Exactly(0),
		Example: "  pachctl version\n  pachctl version --client-only\n  pachctl version -o json",
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if raw && o.out == "" {
				o.out = "json"
			}
			o.timeout = 10 * time.Second
			if timeout != "default" {
				if o.timeout, err = time.ParseDuration(timeout); err != nil {
					return kit.Usagef(c, "could not parse duration %q: write it as 500ms or 5s", timeout)
				}
			}
			return o.run(c.Context(), k)
		},
	}
	f := c.Flags()
	f.BoolVar(&o.clientOnly, "client-only", false, "show the version of pachctl alone")
	f.BoolVar(&o.architecture, "print-architecture", false, "print the processor and the operating system first")
	f.StringVar(&timeout, "timeout", "default", "how long to wait for pachd, such as 5s")
	f.BoolVar(&raw, "raw", false, "as --output json")
	f.BoolVar(&o.compare, "compare", false, "fail unless both versions are the same")
	kit.EnterpriseFlag(c, &o.enterprise)
	kit.OutputFlag(c, &o.out)
	return c
}

// run shows people its own version first: pachd may not answer.
func (o versionOptions) run(ctx context.Context, k *kit.Kit) error {
	if o.architecture {
		k.Printf("%s\n%s\n", runtime.GOARCH, runtime.GOOS)
	}
	own := version.Current()
	if o.out == "" {
		k.Printf("%-20s%s\n%-20s%s\n", "COMPONENT", "VERSION", "pachctl", version.Short(own))
	}
	versions := map[string]*shownVersion{"pachctl": shown(own)}
	if !o.clientOnly {
		server, err := o.askServer(ctx, k)
		if err != nil {
			return err
		}
		if o.out == "" {
			k.Printf("%-20s%s\n", "pachd", version.Short(server))
		}
		versions["pachd"] = shown(server)
		if o.compare && version.Short(server) != version.Short(own) {
			return fault.New(fault.Precondition, "the versions differ").Next("install the pachctl that belongs to the server")
		}
	}
	return k.PrintResult(o.out, versions, func() {})
}

func (o versionOptions) askServer(ctx context.Context, k *kit.Kit) (v *versionpb.Version, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	err = k.WithConn(ctx, o.enterprise, func(ctx context.Context, c *kit.Conn) (err error) {
		v, err = c.Version.GetVersion(ctx, &emptypb.Empty{})
		return err
	})
	return v, err
}
