package dex

import (
	dexconn "github.com/dexidp/dex/connector"
	"github.com/dexidp/dex/connector/mock"

	"pachyderm/internal/connector/probe"
)

// The mock connectors are Dex's, for tests and evaluation: mockCallback signs in
// the same made-up person without asking anything.
type mockCallbackDoc struct{}

func (*mockCallbackDoc) open(_ string, d Deps) (dexconn.Connector, error) { //nolint:unparam // as all documents
	return mock.NewCallbackConnector(d.Log), nil
}

func (*mockCallbackDoc) site() probe.Site { return probe.Site{} }

type mockPasswordDoc struct {
	Username string `json:"username" rule:"required" doc:"the only user name"`
	Password string `json:"password" rule:"required,secret" doc:"its password"`
}

func (c *mockPasswordDoc) open(id string, d Deps) (dexconn.Connector, error) {
	out := mock.PasswordConfig{Username: c.Username, Password: c.Password}
	return out.Open(id, d.Log)
}

func (*mockPasswordDoc) site() probe.Site { return probe.Site{} }
