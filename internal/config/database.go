package config

import (
	"strings"

	"pachyderm/internal/secret"
)

// Database says how to reach the database. All but the URL is for PostgreSQL.
type Database struct {
	URL          secret.Text `json:"url" doc:"sqlite:PATH or postgres://user:password@host:5432/database. A SQLite file in the data directory when empty."`
	ListenURL    secret.Text `json:"listenURL" doc:"The address of the same PostgreSQL without a pooler in between, for migrations and for the connection on which replicas hear of changes. Needed where url leads through a pooler that lends out connections for a transaction each, as pgbouncer does with pool_mode=transaction."`
	PasswordFile string      `json:"passwordFile" doc:"A file with the password, in place of one in the URLs; it is read for each new connection, so that the password can change."`
	SSLRootCert  string      `json:"sslRootCert" doc:"The CA certificate in PEM that the server's is verified with. sslmode is verify-full then, unless the URL says otherwise."`
	SSLCert      string      `json:"sslCert" doc:"A certificate in PEM that pachd authenticates with."`
	SSLKey       string      `json:"sslKey" doc:"Its private key in PEM."`
	MaxOpenConns int         `json:"maxOpenConns" doc:"How many connections one replica opens at most, beside the one that listens."`
	MaxIdleConns int         `json:"maxIdleConns" doc:"How many of them it keeps while they are not used, for five minutes at most; all of them when 0. Those of all replicas count against max_connections of PostgreSQL."`
}

func (Database) isPostgres(u secret.Text) bool {
	return strings.HasPrefix(u.Reveal(), "postgres:") || strings.HasPrefix(u.Reveal(), "postgresql:")
}

func (d Database) validate(add func(format string, a ...any)) {
	if d.ListenURL != "" && !d.isPostgres(d.ListenURL) {
		add("database.listenURL: must begin with postgres:")
	}
	if !d.isPostgres(d.URL) {
		for key, value := range map[string]string{
			"listenURL": d.ListenURL.Reveal(), "passwordFile": d.PasswordFile,
			"sslRootCert": d.SSLRootCert, "sslCert": d.SSLCert, "sslKey": d.SSLKey,
		} {
			if value != "" {
				add("database.%s: is for PostgreSQL, and database.url names none", key)
			}
		}
	}
	if (d.SSLCert == "") != (d.SSLKey == "") {
		add("database: set both sslCert and sslKey, or neither")
	}
	if d.MaxOpenConns < 2 {
		add("database.maxOpenConns: must be more than 1")
	}
	if d.MaxIdleConns < 0 || d.MaxIdleConns > d.MaxOpenConns {
		add("database.maxIdleConns: must be 0 to maxOpenConns")
	}
}
