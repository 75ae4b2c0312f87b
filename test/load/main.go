// Command load measures what a deployment of pachd takes: complete logins, and calls
// with the session of one. It needs somebody who may sign in with a password, by any
// connector whose pages are forms.
//
//	PACH_LOAD_PASSWORD=... go run ./test/load -server grpcs://pachd.example.com:443 -email load@example.com -at-once 8 -for 30s
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	"pachyderm/api/auth"
	"pachyderm/client"
	"pachyderm/test/walk"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Getenv("PACH_LOAD_PASSWORD"), os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

type options struct {
	server, cas, email, name, connector, what string
	atOnce                                    int
	lasts, patience                           time.Duration
	pid                                       int
}

func run(ctx context.Context, args []string, password string, out io.Writer) error {
	var o options
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	flags.StringVar(&o.server, "server", "grpc://localhost:30650", "address of pachd, as pachctl has it")
	flags.StringVar(&o.cas, "server-cas", "", "file with certificate authorities of pachd, in place of the system's")
	flags.StringVar(&o.email, "email", "", "e-mail address of who signs in; the password is in PACH_LOAD_PASSWORD")
	flags.StringVar(&o.name, "name", "", "user name, where that is what is typed")
	flags.StringVar(&o.connector, "connector", "", "connector to sign in with, if there are several")
	flags.StringVar(&o.what, "what", "login,whoami,authorize", "what to measure, one after the other")
	flags.IntVar(&o.atOnce, "at-once", 8, "how many at once")
	flags.DurationVar(&o.lasts, "for", 10*time.Second, "how long each is measured")
	flags.DurationVar(&o.patience, "patience", 0, "for how long a request is sent again that finds no server that is ready")
	flags.IntVar(&o.pid, "pid", 0, "process of pachd, if it is on this machine, whose processor time is measured")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if (o.email == "" && o.name == "") || password == "" || o.atOnce < 1 {
		return errors.New("name who signs in with -email or -name, and put the password into the variable PACH_LOAD_PASSWORD")
	}
	return o.measure(ctx, password, out)
}

func (o options) measure(ctx context.Context, password string, out io.Writer) error {
	dial := []client.Option{}
	if o.cas != "" {
		pem, err := os.ReadFile(o.cas)
		if err != nil {
			return err
		}
		dial = append(dial, client.WithServerCAs(pem))
	}
	anybody, err := client.Dial(ctx, o.server, dial...)
	if err != nil {
		return err
	}
	defer func() { _ = anybody.Close() }()
	name := o.name
	if name == "" {
		name = o.email
	}
	login, err := walk.NewLogin(ctx, anybody.Pach, anybody.Auth, walk.Person{Name: name, Email: o.email, Password: password})
	if err != nil {
		return err
	}
	login.Connector, login.Patience = o.connector, o.patience
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = o.atOnce
	login.Transport = transport
	token, err := login.Run(ctx)
	if err != nil {
		return fmt.Errorf("the first login: %w", err)
	}
	session, err := client.Dial(ctx, o.server, append(dial, client.WithToken(token))...)
	if err != nil {
		return err
	}
	defer func() { _ = session.Close() }()
	cluster := &auth.Resource{Type: auth.ResourceType_CLUSTER}
	measured := map[string]func(context.Context) error{
		"login": func(ctx context.Context) error { _, err := login.Run(ctx); return err },
		"whoami": func(ctx context.Context) error {
			_, err := session.Auth.WhoAmI(ctx, &auth.WhoAmIRequest{})
			return err
		},
		"authorize": func(ctx context.Context) error {
			_, err := session.Auth.Authorize(ctx, &auth.AuthorizeRequest{
				Resource: cluster, Permissions: []auth.Permission{auth.Permission_CLUSTER_MODIFY_BINDINGS},
			})
			return err
		},
	}
	_, _ = fmt.Fprintln(out, header)
	for _, what := range strings.Split(o.what, ",") {
		f := measured[what]
		if f == nil {
			return fmt.Errorf("-what has %q: login, whoami and authorize there are", what)
		}
		r, err := repeat(ctx, f, o)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprint(out, r.row(what, o.atOnce))
	}
	return nil
}
