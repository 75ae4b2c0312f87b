package pachd

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"pachyderm/internal/config"
	"pachyderm/internal/config/chart"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
)

const configUsage = `Look at a configuration before pachd has it.

Usage:
  pachd config check [--data-dir DIR] FILE   say what is wrong with it
  pachd config check --values FILE           the same of values for the Helm chart
  pachd config plan --data-dir DIR FILE      say what it would add, change and
                                             remove, and for whom

Variables count as they do for pachd; for values they do not. None changes anything.
`

// runConfig is pachd config.
func runConfig(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("pachd config", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	dataDir := flags.String("data-dir", "", "")
	values := flags.String("values", "", "")
	verb := ""
	if len(args) > 0 {
		verb, args = args[0], args[1:]
	}
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) || verb == "--help" || verb == "-h" {
		_, _ = io.WriteString(stdout, configUsage)
		return 0
	}
	isValues := verb == "check" && *values != ""
	if err != nil || !isValues && (flags.NArg() != 1 || *values != "" || verb != "check" && verb != "plan") ||
		isValues && (flags.NArg() != 0 || *dataDir != "") {
		_, _ = fmt.Fprintf(stderr, "pachd: say what to do, and with which file\n\n%s", configUsage)
		return 2
	}
	switch {
	case isValues:
		err = chart.Check(ctx, *values, stdout, func(ctx context.Context, c config.Config) error {
			return checkLoaded(ctx, c, *values, stdout)
		})
	case verb == "check":
		err = checkConfig(ctx, *dataDir, flags.Arg(0), environ, stdout)
	default:
		err = planConfig(ctx, *dataDir, flags.Arg(0), environ, stdout)
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "pachd: %s\n", explain(err))
		return 1
	}
	return 0
}

// checkConfig looks at a configuration on an empty database of its own.
func checkConfig(ctx context.Context, dataDir, file string, environ []string, stdout io.Writer) error {
	if dataDir == "" {
		dataDir = "/var/lib/pachd"
	}
	c, err := config.Load(dataDir, file, environ)
	if err != nil {
		return err
	}
	return checkLoaded(ctx, c, file, stdout)
}

// checkLoaded looks at a configuration that was read from a file.
func checkLoaded(ctx context.Context, c config.Config, file string, stdout io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "pachd-check-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	c.Secrets.AllowFiles = append(c.Secrets.AllowFiles, filepath.Join(c.DataDir, "secrets"))
	c.DataDir, c.Sealing.KeyFile, c.Auth.Activate = dir, filepath.Join(dir, "sealing-key"), false
	c.Kubernetes.KeysSecret = ""
	c.Database.URL, c.Database.ListenURL, c.Database.PasswordFile = secret.Text("sqlite:"+filepath.Join(dir, "check.db")), "", ""
	p, err := look(ctx, c, db.Open)
	if err != nil {
		return err
	}
	if err := errors.Join(p.Declared.Check(ctx, c.Declared), p.close()); err != nil {
		return err
	}
	for _, note := range c.Notes {
		_, _ = fmt.Fprintln(stdout, note)
	}
	_, err = fmt.Fprintf(stdout, "%s can be had: %s\n", file, c.Bootstrap)
	return err
}

// planConfig compares a configuration with what there is.
func planConfig(ctx context.Context, dataDir, file string, environ []string, stdout io.Writer) error {
	c, err := config.Load(dataDir, file, environ)
	if err != nil {
		return err
	}
	if _, err := sealingKey(c).Read(ctx); errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Precondition, "the sealing key %s is missing: there is nothing yet to compare with", sealingKey(c)).
			Next("start pachd first, or use: pachd config check %s", file)
	} else if err != nil {
		return err
	}
	c.Auth.Activate = false // makes no root token
	p, err := look(ctx, c, db.OpenMigrated)
	if err != nil {
		return err
	}
	plan, err := p.Declared.Plan(ctx, c.Declared)
	if err := errors.Join(err, p.close()); err != nil {
		return err
	}
	var b strings.Builder
	for _, change := range plan.Changes {
		fmt.Fprintln(&b, change)
	}
	for _, effect := range plan.People {
		fmt.Fprintln(&b, effect)
	}
	if b.Len() == 0 {
		b.WriteString("nothing would change\n")
	}
	_, err = io.WriteString(stdout, b.String())
	return err
}

// look puts together what is needed to look at a configuration: no listener, and no
// lock, so that a pachd may be running.
func look(ctx context.Context, c config.Config, open func(context.Context, db.Options) (*db.DB, error)) (p *Pachd, err error) {
	p = &Pachd{config: c, log: slog.New(slog.DiscardHandler), now: time.Now}
	p.Limits = newLimits(c, p.log, p.now)
	if p.DB, err = open(ctx, databaseOptions(c)); err != nil {
		return nil, err
	}
	if err := p.wirePeople(ctx); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}
