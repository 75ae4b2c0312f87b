// Command dexserver is Dex with its memory storage, for "make bench" to measure beside
// pachd: one public OIDC client, and one LDAP connector, whose configuration is read
// from the standard input. It serves on a loopback address, without TLS, until it is killed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/dexidp/dex/server"
	"github.com/dexidp/dex/server/signer"
	"github.com/dexidp/dex/storage"
	"github.com/dexidp/dex/storage/memory"
	"github.com/dexidp/dex/web"
	"github.com/go-jose/go-jose/v4"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "dexserver:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, in io.Reader) error {
	flags := flag.NewFlagSet("dexserver", flag.ContinueOnError)
	address := flags.String("listen", "", "loopback address to serve on; the issuer is http://ADDRESS/dex")
	algorithm := flags.String("algorithm", "RS256", "RS256 or ES256")
	client := flags.String("client", "bench", "id of the public client")
	redirect := flags.String("redirect", "", "redirect URI of the client")
	if err := flags.Parse(args); err != nil {
		return err
	}
	config, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	store := memory.New(log)
	err = errors.Join(
		store.CreateClient(ctx, storage.Client{ID: *client, Name: *client, Public: true, RedirectURIs: []string{*redirect}}),
		store.CreateConnector(ctx, storage.Connector{ID: "ldap", Type: "ldap", Name: "LDAP", Config: config}),
	)
	if err != nil {
		return err
	}
	keys, err := (&signer.LocalConfig{KeysRotationPeriod: "6h", Algorithm: jose.SignatureAlgorithm(*algorithm)}).Open(ctx, store, time.Hour, time.Now, log)
	if err != nil {
		return err
	}
	keys.Start(ctx)
	handler, err := server.NewServer(ctx, server.Config{
		Issuer: "http://" + *address + "/dex", Storage: store, Signer: keys, Logger: log, SkipApprovalScreen: true, // as pachd does for its own client
		Web: server.WebConfig{WebFS: web.FS()},
	})
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *address)
	if err != nil {
		return err
	}
	const slow = 10 * time.Second
	return (&http.Server{Handler: handler, ReadHeaderTimeout: slow}).Serve(l)
}
