// Command pachd is Pachyderm's server.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"pachyderm/internal/pachd"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := pachd.Main(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
