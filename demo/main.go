package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"pachyderm/demo/op"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run() error {
	var c op.Config
	addr := flag.String("listen", "localhost:30670", "loopback address to listen on")
	redirect := flag.String("redirect-uri", "http://localhost:30658/callback", "where pachd is answered")
	flag.StringVar(&c.ClientID, "client-id", "pachyderm", "the client that pachd is")
	flag.Parse()
	c.Issuer = "http://" + *addr
	c.RedirectURIs = []string{*redirect}
	for name, into := range map[string]*string{"DEMO_CLIENT_SECRET": &c.ClientSecret, "DEMO_ALICE_PASSWORD": nil, "DEMO_BOB_PASSWORD": nil} {
		value := os.Getenv(name)
		if value == "" {
			return fmt.Errorf("%s is not set: start the demo with make run", name)
		}
		if into != nil {
			*into = value
		}
	}
	c.People = []op.Person{
		{Email: "alice@example.com", Name: "Alice Anderson", Password: os.Getenv("DEMO_ALICE_PASSWORD"), Groups: []string{"admins", "engineers"}},
		{Email: "bob@example.com", Name: "Bob Brown", Password: os.Getenv("DEMO_BOB_PASSWORD"), Groups: []string{"engineers"}},
	}
	p, err := op.New(c)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *addr)
	if err != nil {
		return fmt.Errorf("%s is in use: stop what listens there: %w", *addr, err)
	}
	server := &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
