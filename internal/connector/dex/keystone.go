package dex

import (
	"context"
	"fmt"
	"net/http"

	dexconn "github.com/dexidp/dex/connector"
	"github.com/dexidp/dex/connector/keystone"

	"pachyderm/internal/connector/probe"
)

type keystoneDoc struct {
	Domain        string `json:"domain" rule:"required" doc:"domain of the people, by id or name, such as default"`
	Host          string `json:"keystoneHost" rule:"required,url" doc:"address of Keystone, such as https://keystone.example.com:5000"`
	AdminUsername string `json:"keystoneUsername" rule:"required" doc:"account that may read users and groups"`
	AdminPassword string `json:"keystonePassword" rule:"required,secret" doc:"its password"`
}

func (c *keystoneDoc) open(id string, d Deps) (dexconn.Connector, error) {
	out := keystone.Config{Domain: c.Domain, Host: c.Host, AdminUsername: c.AdminUsername, AdminPassword: c.AdminPassword}
	opened, err := out.Open(id, d.Log)
	if err != nil {
		return nil, err
	}
	return keystoneLogin{opened.(dexconn.PasswordConnector), opened.(dexconn.RefreshConnector)}, nil
}

// keystoneLogin knows a wrong password, which Dex's connector takes for a
// failure of the provider, so that nobody could try again.
type keystoneLogin struct {
	dexconn.PasswordConnector
	dexconn.RefreshConnector
}

func (k keystoneLogin) Login(ctx context.Context, s dexconn.Scopes, username, password string) (dexconn.Identity, bool, error) {
	id, valid, err := k.PasswordConnector.Login(ctx, s, username, password)
	if err != nil && err.Error() == fmt.Sprintf("keystone login: error %d", http.StatusUnauthorized) {
		return dexconn.Identity{}, false, nil
	}
	return id, valid, err
}

func (c *keystoneDoc) site() probe.Site { return probe.Site{Base: c.Host, Issuer: c.Host} }
