package pachd

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"pachyderm/internal/config"
	"pachyderm/internal/fault"
	"pachyderm/internal/pachd/datadir"
	"pachyderm/internal/pachd/offline"
	"pachyderm/internal/version"
)

const usage = `pachd is Pachyderm's server.

Usage:
  pachd --data-dir DIR [--config FILE]
  pachd config check|plan FILE          look at a configuration
  pachd export|import|migrate|recover|sealing-key
                                        back up, move, upgrade, get back in, change the sealing key

  --data-dir DIR   where pachd keeps its database, sealing key and root token
  --config FILE    configuration in YAML (docs/config.md lists all settings)
  --version        print the version and exit

Each command has --help.
`

// Main runs pachd as the command line says until ctx ends, and returns the
// exit code: 0, 1 for a failure, 2 for a wrong command line.
func Main(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		switch args[0] {
		case "config":
			return runConfig(ctx, args[1:], environ, stdout, stderr)
		case "export", "import", "migrate", "recover", "sealing-key":
			d := offline.Deps{
				Database: databaseOptions, SealingKey: sealingKey, OldKeys: oldKeys, Sealed: sealed(), Lock: datadir.Lock,
				ShowRoot: showRoot, Explain: explain,
			}
			return offline.Run(ctx, d, args, environ, stdout, stderr)
		}
	}
	flags := flag.NewFlagSet("pachd", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	dataDir := flags.String("data-dir", "", "")
	file := flags.String("config", "", "")
	showVersion := flags.Bool("version", false, "")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, _ = io.WriteString(stdout, usage)
		return 0
	case err != nil || flags.NArg() > 0:
		_, _ = fmt.Fprintf(stderr, "pachd: %s\n\n%s", wrongArguments(err, flags.Args()), usage)
		return 2
	case *showVersion:
		_, _ = fmt.Fprintln(stdout, version.Short(version.Current()))
		return 0
	}
	if err := run(ctx, *dataDir, *file, environ, stdout, stderr); err != nil {
		_, _ = fmt.Fprintf(stderr, "pachd: %s\n", explain(err))
		return 1
	}
	return 0
}

func wrongArguments(err error, rest []string) string {
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("unexpected argument %q", rest[0])
}

// explain shows an operator the cause as well; it is their machine.
func explain(err error) string {
	text := err.Error()
	if fault.KindOf(err) != fault.Internal {
		text = fault.Message(err)
	}
	return strings.ReplaceAll(text, "\n", "; ")
}

func run(ctx context.Context, dataDir, file string, environ []string, stdout, stderr io.Writer) error {
	c, err := config.Load(dataDir, file, environ)
	if err != nil {
		return err
	}
	p, err := New(ctx, c, newLog(c.Log, stderr), time.Now)
	if err != nil {
		return err
	}
	p.announce(stdout)
	return p.Run(ctx)
}

func newLog(c config.Log, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo
	}
	opts := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// announce says where pachd is.
func (p *Pachd) announce(w io.Writer) {
	_, _ = fmt.Fprintf(w, "pachd %s is ready: gRPC on %s, sign-in at %s\n", version.Short(version.Current()), p.GRPC(), p.Issuer.URL())
	if !p.newRoot {
		return
	}
	showRoot(w, p.config.RootTokenFile())
}

// showRoot shows a root token that was made once, to a person at a terminal, and never
// to what may keep it, such as a log.
func showRoot(w io.Writer, path string) {
	_, _ = fmt.Fprintf(w, "A root token was made; it is in %s and can do everything: keep it safe.\n", path)
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		if data, err := os.ReadFile(path); err == nil { //nolint:gosec // our own file
			_, _ = fmt.Fprintf(w, "Root token, shown this once: %s", data)
		}
	}
}
