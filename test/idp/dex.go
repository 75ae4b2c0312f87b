package idp

import (
	"log/slog"
	"testing"
	"time"

	"github.com/dexidp/dex/server"
	"github.com/dexidp/dex/server/connectors"
	"github.com/dexidp/dex/server/signer"
	"github.com/dexidp/dex/storage"
	"github.com/dexidp/dex/storage/memory"
	"github.com/dexidp/dex/web"
	"golang.org/x/crypto/bcrypt"
)

// Dex is one that is not ours, with people of its own. They type their e-mail
// address; the claim groups says their groups, for the scope groups.
type Dex struct {
	*inProcess

	Issuer                 string
	ClientID, ClientSecret string
	People                 []Person

	log Output
}

// Output is what Dex has logged so far.
func (d *Dex) Output() string { return d.log.String() }

// StartDex runs Dex, for a relying party with the given callbacks.
func StartDex(tb testing.TB, callbacks ...string) *Dex {
	tb.Helper()
	address := FreeAddress(tb)
	d := &Dex{Issuer: "http://" + address + "/dex", ClientID: "pachyderm", ClientSecret: "dex-secret", People: namedByEmail(Alice, Bob)}
	log := slog.New(slog.NewTextHandler(&d.log, nil))
	store := memory.New(log)
	client := storage.Client{ID: d.ClientID, Secret: d.ClientSecret, Name: "Pachyderm", RedirectURIs: callbacks}
	if err := store.CreateClient(tb.Context(), client); err != nil {
		tb.Fatal(err)
	}
	if err := store.CreateConnector(tb.Context(), storage.Connector{ID: connectors.LocalConnector, Type: connectors.LocalConnector, Name: "Email"}); err != nil {
		tb.Fatal(err)
	}
	for _, p := range d.People {
		hash, err := bcrypt.GenerateFromPassword([]byte(p.Password), bcrypt.DefaultCost)
		if err != nil {
			tb.Fatal(err)
		}
		password := storage.Password{Email: p.Email, Hash: hash, Username: display(p), UserID: "id-of-" + p.Name, Groups: p.Groups}
		if err := store.CreatePassword(tb.Context(), password); err != nil {
			tb.Fatal(err)
		}
	}
	keys, err := (&signer.LocalConfig{KeysRotationPeriod: "6h"}).Open(tb.Context(), store, time.Hour, time.Now, log) //nolint:forbidigo // Dex wants a clock, and nothing here depends on what it says
	if err != nil {
		tb.Fatal(err)
	}
	keys.Start(tb.Context())
	s, err := server.NewServer(tb.Context(), server.Config{
		Issuer: d.Issuer, Storage: store, Signer: keys, Logger: log,
		// Its pages are those of the module, not of this repository.
		Web: server.WebConfig{WebFS: web.FS()},
	})
	if err != nil {
		tb.Fatal(err)
	}
	d.inProcess = &inProcess{tb: tb, address: address, handler: s}
	tb.Cleanup(d.Stop)
	d.Start()
	return d
}

// namedByEmail is for providers where the e-mail address is what one types.
func namedByEmail(people ...Person) []Person {
	for i := range people {
		people[i].Name = people[i].Email
	}
	return people
}
