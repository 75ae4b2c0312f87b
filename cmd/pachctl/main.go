// Command pachctl signs people in to Pachyderm and manages who may do what.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"pachyderm/internal/cli"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return cli.Main(ctx, os.Args[1:], cli.Env{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Now: time.Now})
}
