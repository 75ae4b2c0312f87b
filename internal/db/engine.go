package db

import (
	"net/url"
	"strings"

	"pachyderm/internal/fault"
)

func engineFor(o Options) (engine, error) {
	scheme, rest, found := strings.Cut(o.URL, ":")
	switch {
	case found && scheme == "sqlite" && rest != "":
		path, err := url.PathUnescape(strings.TrimPrefix(rest, "//"))
		if err != nil {
			return nil, fault.New(fault.Invalid, "database.url: the path is not valid").At("database.url")
		}
		return sqliteEngine{path}, nil
	case found && (scheme == "postgres" || scheme == "postgresql"):
		return newPostgres(o)
	}
	return nil, fault.New(fault.Invalid, "database.url must begin with sqlite: or postgres:").At("database.url")
}
