package offline

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/term"

	"pachyderm/internal/config"
	"pachyderm/internal/db"
	"pachyderm/internal/db/dump"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/session"
	"pachyderm/internal/secret"
)

const usage = `Back up and move what pachd keeps, bring its database up to date, and get back in.

Usage:
  pachd export FILE           write all that the database holds, sealed
  pachd import FILE           fill a new database with it
  pachd migrate plan          say which changes of the schema are to come
  pachd migrate apply         make them
  pachd recover root-token    make a new root token in place of a lost one
  pachd sealing-key add       put a second sealing key beside the one in use
  pachd sealing-key use       seal with it, and seal anew what there is
  pachd sealing-key remove    take the old one out of the key file

  --data-dir DIR   as of pachd itself, and variables count as they do there
  --config FILE
  --online         export beside pachds that run; what they write from then on is
                   not in it

The FILE - is standard output and input. docs/guides/backup.md has the steps.
`

// Deps is what pachd has for its own start.
type Deps struct {
	Database   func(config.Config) db.Options
	SealingKey func(config.Config) secret.Place
	// OldKeys is where the sealing key as it was is kept, once it is replaced.
	OldKeys func(config.Config) secret.Place
	// Lock takes a data directory, until what it returns is closed.
	Lock func(dir string) (*os.File, error)
	// ShowRoot says where a root token is that was made.
	ShowRoot func(w io.Writer, path string)
	// Explain makes one line of an error.
	Explain func(error) string
	// Sealed says where the database has sealed values.
	Sealed []secret.Sealed
}

// command is one of them, with its flags.
type command struct {
	with   Deps
	config config.Config
	file   string
	online bool
	stdout io.Writer
}

// Run runs the command that args begin with, export, import, migrate, recover or sealing-key, and
// returns the exit code: 0, 1 for a failure, 2 for a wrong command line.
func Run(ctx context.Context, d Deps, args, environ []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("pachd", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	dataDir := flags.String("data-dir", "", "")
	file := flags.String("config", "", "")
	c := command{with: d, stdout: stdout}
	flags.BoolVar(&c.online, "online", false, "")
	words, err := parseAnywhere(flags, args)
	if errors.Is(err, flag.ErrHelp) {
		_, _ = io.WriteString(stdout, usage)
		return 0
	}
	if err == nil && c.task(words).do == nil {
		err = wrongWords(words, args)
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "pachd: %s\n\n%s", err, usage)
		return 2
	}
	c.config, err = config.Load(*dataDir, *file, environ)
	if err == nil {
		err = c.run(ctx, c.task(words))
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "pachd: %s\n", d.Explain(err))
		return 1
	}
	return 0
}

// wrongWords says what is wrong with words that are no command.
func wrongWords(words, args []string) error {
	switch {
	case len(words) == 1 && (words[0] == "export" || words[0] == "import"):
		return fmt.Errorf("pachd %s needs a FILE, or - for a pipe", words[0])
	case len(words) == 1:
		return fmt.Errorf("pachd %s needs to be told what to do", words[0])
	}
	return fmt.Errorf("there is no command pachd %s", strings.Join(args, " "))
}

// parseAnywhere reads flags before and behind other arguments, which it returns.
func parseAnywhere(flags *flag.FlagSet, args []string) (words []string, err error) {
	for {
		if err := flags.Parse(args); err != nil || flags.NArg() == 0 {
			return words, err
		}
		words, args = append(words, flags.Arg(0)), flags.Args()[1:]
	}
}

// task is what a command does.
type task struct {
	do func(context.Context) error
	// alone has it take the data directory, which pachd has while it runs.
	alone bool
}

// task is what some words say is to be done; do is nil for others. On PostgreSQL
// replicas may run while the schema is brought up to date, and hear of a new root
// token.
func (c *command) task(words []string) task {
	if len(words) != 2 || c.online && words[0] != "export" {
		return task{}
	}
	c.file = words[1]
	switch words[0] {
	case "export":
		return task{c.export, !c.online}
	case "import":
		return task{c.load, true}
	}
	switch strings.Join(words, " ") {
	case "migrate plan":
		return task{c.plan, false}
	case "migrate apply":
		return task{c.migrate, c.isSQLite()}
	case "recover root-token":
		return task{c.recoverRoot, c.isSQLite()}
	case "sealing-key add":
		return task{c.addKey, false}
	case "sealing-key use":
		return task{c.useKey, false}
	case "sealing-key remove":
		return task{c.removeKey, false}
	}
	return task{}
}

func (c *command) run(ctx context.Context, t task) (err error) {
	if t.alone {
		lock, err := c.with.Lock(c.config.DataDir)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, lock.Close()) }()
	}
	return t.do(ctx)
}

func (c *command) say(format string, a ...any) {
	_, _ = fmt.Fprintf(c.stdout, format+"\n", a...)
}

// open opens a database that is in use, and proves the sealing key.
func (c *command) open(ctx context.Context) (*db.DB, *secret.Sealer, error) {
	options := c.with.Database(c.config)
	options.MaxConns, options.MaxIdle = 1, 1 // so that all others are somebody else's
	d, err := db.OpenMigrated(ctx, options)
	if err != nil {
		return nil, nil, err
	}
	sealer, err := secret.OpenUsed(ctx, d, c.with.SealingKey(c.config))
	if err != nil {
		return nil, nil, errors.Join(err, d.Close())
	}
	return d, sealer, nil
}

func (c *command) export(ctx context.Context) (err error) {
	if err := c.checkTarget(); err != nil {
		return err
	}
	d, sealer, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	var moved dump.Counts
	write := func(w io.Writer) (err error) {
		if err := c.awaitAlone(ctx, d); err != nil {
			return err
		}
		if moved, err = dump.Write(ctx, d, sealer, w); err != nil {
			return err
		}
		return c.awaitAlone(ctx, d) // still
	}
	if c.file == "-" {
		return write(c.stdout)
	}
	if err := secret.WriteFileBy(c.file, write); err != nil {
		return err
	}
	c.say("%s has %d rows of %d tables. It can be read with the sealing key %s only: keep that as well, and apart.",
		c.file, moved.Rows, moved.Tables, c.with.SealingKey(c.config))
	return nil
}

// checkTarget refuses a file that is there, lest a good dump is lost to a bad one.
func (c *command) checkTarget() error {
	if c.file == "-" {
		if f, ok := c.stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			return fault.New(fault.Invalid, "a dump is not for a terminal").Next("name a file, or redirect the output")
		}
		return nil
	}
	if _, err := os.Lstat(c.file); err == nil {
		return fault.New(fault.Precondition, "%s exists", c.file).Next("choose another name, or move it away")
	}
	if info, err := os.Stat(filepath.Dir(c.file)); err != nil || !info.IsDir() {
		return fault.New(fault.Precondition, "there is no folder for %s", c.file).Next("make it, or choose another name").Because(err)
	}
	return nil
}

// awaitAlone refuses a database that others use. Sessions that have just ended, such as
// those of a pachd that was stopped, may be seen for a moment.
func (c *command) awaitAlone(ctx context.Context, d *db.DB) error {
	const patience = 30 // times 100 ms
	for n := 0; ; n++ {
		others, err := d.Others(ctx)
		switch {
		case err != nil || others == 0 || c.online:
			return err
		case n == patience:
			return fault.New(fault.Precondition, "others are using the database: %d sessions are open", others).
				Next("stop every pachd on it, and a pooler's sessions, or use --online for a dump that is no move")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// load is pachd import.
func (c *command) load(ctx context.Context) (err error) {
	from := os.Stdin
	if c.file != "-" {
		if from, err = os.Open(c.file); err != nil {
			return fault.New(fault.Precondition, "cannot read %s", c.file).Next("check the path and who may read it").Because(err)
		}
		defer func() { _ = from.Close() }()
	}
	key := c.with.SealingKey(c.config)
	sealer, err := secret.OpenKey(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		err = fault.New(fault.Precondition, "the sealing key %s is missing", key).
			Next("copy the one there that the dump was made with")
	}
	if err != nil {
		return err
	}
	options := c.with.Database(c.config)
	has, _, err := db.Pending(ctx, options)
	if err != nil {
		return err
	}
	open := db.Open
	if has > 0 {
		open = db.OpenMigrated // what is perhaps in use is left as it is
	}
	d, err := open(ctx, options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	moved, err := dump.Read(ctx, d, sealer, from)
	if err == nil {
		c.say("%d rows of %d tables are imported: pachd can start.", moved.Rows, moved.Tables)
	}
	return err
}

// plan is pachd migrate plan.
func (c *command) plan(ctx context.Context) error {
	has, pending, err := db.Pending(ctx, c.with.Database(c.config))
	if err != nil {
		return err
	}
	if len(pending) == 0 {
		c.say("The database has schema version %d, which this pachd needs: there is nothing to do.", has)
		return nil
	}
	c.say("The database has schema version %d. pachd migrate apply, or the start of this pachd, will make:", has)
	for _, m := range pending {
		c.say("  %d %s", m.Version, m.Name)
	}
	c.say("A pachd of an older version that runs goes on; it does not start again.")
	return nil
}

// migrate is pachd migrate apply.
func (c *command) migrate(ctx context.Context) error {
	had, pending, err := db.Pending(ctx, c.with.Database(c.config))
	if err != nil {
		return err
	}
	d, err := db.Open(ctx, c.with.Database(c.config))
	if err != nil {
		return err
	}
	c.say("The database had schema version %d; %d migrations were made.", had, len(pending))
	return d.Close()
}

func (c *command) isSQLite() bool {
	return strings.HasPrefix(c.config.Database.URL.Reveal(), "sqlite:")
}

// recoverRoot is pachd recover root-token. Whoever has the database and the sealing
// key has all that pachd has. Replicas on PostgreSQL may run: they hear of it.
func (c *command) recoverRoot(ctx context.Context) (err error) {
	if name := c.config.Kubernetes.KeysSecret; name != "" && c.config.Auth.RootToken == "" {
		return fault.New(fault.Precondition, "the root token is in the Secret %s: pachd would go back to that", name).
			Next("read it there (kubectl get secret %s), or remove root-token from it and start pachd again, which makes a new one", name)
	}
	d, _, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	sessions := session.New(session.Config{
		DB: d, Now: time.Now, RootToken: c.config.Auth.RootToken, RootFile: c.config.RootTokenFile(),
	})
	if err := sessions.RecoverRoot(ctx); err != nil {
		return err
	}
	c.with.ShowRoot(c.stdout, c.config.RootTokenFile())
	return nil
}
