package config

import (
	"cmp"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"pachyderm/internal/config/declared"
	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
)

// upstreamVariable is a variable that upstream's charts and scripts set, and what
// becomes of it here: none is ignored without a word.
type upstreamVariable struct {
	// setting is the key that it sets.
	setting string
	// used says what else it does.
	used string
	// unneeded is why it has no effect and need not have one.
	unneeded string
	// refused is why pachd does not start with it, unless its value is one of taken.
	refused string
	taken   []string
}

// upstreamVariables is the one list of them.
func upstreamVariables() map[string]upstreamVariable {
	const no, zero = "false", "0"
	notListening := "pachd has no such listener: clients reach all that there is at listen.grpc and listen.http"
	member := "there is no enterprise server to be a member of: this pachd signs people in itself"
	determined := "pachd does not create people at Determined"
	all := map[string]upstreamVariable{
		"AUTH_ROOT_TOKEN":          {setting: "auth.rootToken"},
		"ACTIVATE_AUTH":            {setting: "auth.activate"},
		"SESSION_DURATION_MINUTES": {setting: "auth.sessionDuration"},
		"CLUSTER_DEPLOYMENT_ID":    {setting: "cluster.deploymentID"},
		"PACHYDERM_PUBLIC_HOST":    {setting: "cluster.publicHost"},
		"PACHYDERM_PUBLIC_TLS":     {setting: "cluster.publicTLS"},

		"POSTGRES_HOST":     {used: "database.url, with the next ones"},
		"POSTGRES_PORT":     {used: "database.url; tcp://..., which Kubernetes sets for a Service of that name, is passed over"},
		"POSTGRES_DATABASE": {used: "database.url"},
		"POSTGRES_USER":     {used: "database.url"},
		"POSTGRES_PASSWORD": {used: "database.url"},
		"POSTGRES_SSL":      {used: "database.url, as sslmode"},

		"PORT":            {used: "the port of listen.grpc"},
		"OIDC_PORT":       {used: "the port of listen.callback"},
		"PROMETHEUS_PORT": {used: "the port of listen.metrics"},
		"PEER_PORT":       {refused: notListening},
		"S3GATEWAY_PORT":  {refused: notListening},
		"DOWNLOAD_PORT":   {refused: notListening},

		"PG_BOUNCER_HOST":           {unneeded: "pachd connects to POSTGRES_HOST itself, and listens there for changes"},
		"PG_BOUNCER_PORT":           {unneeded: "pachd connects to POSTGRES_HOST itself"},
		"IDENTITY_SERVER_DATABASE":  {unneeded: "the issuer has its tables in the database of pachd"},
		"IDENTITY_SERVER_ENABLED":   {unneeded: "upstream does not use it either"},
		"LICENSE_KEY":               {unneeded: "no licence is needed"},
		"ENTERPRISE_SECRET":         {unneeded: "there is no enterprise server"},
		"ENTERPRISE_MEMBER_CONFIG":  {unneeded: "there is no enterprise server"},
		"TLS_CERT_SECRET_NAME":      {unneeded: "there are no workers"},
		"ENTERPRISE_MEMBER":         {refused: member, taken: []string{no, zero}},
		"ENTERPRISE_SERVER_ADDRESS": {refused: member},
		"ENTERPRISE_SERVER_TOKEN":   {refused: member},
		"PJS_WORKER_AUTH_TOKEN":     {refused: "there are no workers yet that would use it"},
		"DETERMINED_USERNAME":       {refused: determined},
		"DETERMINED_PASSWORD":       {refused: determined},
		"DETERMINED_API_URL":        {refused: determined},
		"DETERMINED_TLS":            {refused: determined, taken: []string{no, zero}},
		"REQUIRE_CRITICAL_SERVERS_ONLY": {
			refused: "every listener that is configured is needed; an empty address switches one off", taken: []string{no, zero},
		},
	}
	for name, what := range declared.Variables() {
		all[name] = upstreamVariable{used: "declares " + what}
	}
	return all
}

// isInjected reports a value that Kubernetes has set for a Service whose name makes
// the variable's.
func isInjected(value string) bool { return strings.HasPrefix(value, "tcp://") }

// readUpstream takes what upstream's variables say beyond single settings, refuses
// those that cannot be honoured, and notes those that have no effect.
func (c *Config) readUpstream(environ map[string]secret.Text) error {
	known := upstreamVariables()
	var problems []string
	for _, name := range slices.Sorted(maps.Keys(environ)) {
		v, isKnown := known[name]
		value := environ[name].Reveal()
		switch {
		case !isKnown || value == "":
		case isInjected(value):
			c.Notes = append(c.Notes, name+" is passed over: Kubernetes has set it for a Service (enableServiceLinks: false keeps it from that)")
			delete(environ, name)
		case v.unneeded != "":
			c.Notes = append(c.Notes, name+" has no effect: "+v.unneeded)
		case v.refused != "" && !slices.Contains(v.taken, strings.ToLower(value)):
			problems = append(problems, name+" cannot be honoured: "+v.refused)
		}
	}
	if problems != nil {
		return fault.New(fault.Invalid, "%s", strings.Join(problems, "; ")).Next("unset it where pachd runs")
	}
	l := &c.Listen
	for name, address := range map[string]*string{"PORT": &l.GRPC, "OIDC_PORT": &l.Callback, "PROMETHEUS_PORT": &l.Metrics} {
		if err := setPort(name, environ[name].Reveal(), address); err != nil {
			return err
		}
	}
	return c.readPostgres(environ)
}

func setPort(name, port string, address *string) error {
	if port == "" || *address == "" {
		return nil
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return fault.New(fault.Invalid, "%s: %q is not a port", name, port).Next("write a number such as 30650")
	}
	host, _, err := net.SplitHostPort(*address)
	if err == nil {
		*address = net.JoinHostPort(host, port)
	}
	return nil
}

// readPostgres makes database.url of upstream's variables, unless it is set.
func (c *Config) readPostgres(environ map[string]secret.Text) error {
	get := func(name, standard string) string { return cmp.Or(environ["POSTGRES_"+name].Reveal(), standard) }
	host := get("HOST", "")
	switch {
	case c.Database.URL != "" && host != "":
		c.Notes = append(c.Notes, "POSTGRES_HOST and its like have no effect: database.url is set")
		return nil
	case c.Database.URL != "":
		return nil
	case host == "":
		for _, name := range []string{"POSTGRES_PORT", "POSTGRES_DATABASE", "POSTGRES_USER", "POSTGRES_PASSWORD", "PG_BOUNCER_HOST"} {
			if environ[name] != "" {
				return fault.New(fault.Invalid, "%s is set, and POSTGRES_HOST is not", name).
					Next("set POSTGRES_HOST to where PostgreSQL is, or unset it")
			}
		}
		return nil
	}
	u := url.URL{
		Scheme: "postgres", User: url.User(get("USER", "pachyderm")),
		Host: net.JoinHostPort(host, get("PORT", "5432")), Path: "/" + get("DATABASE", "pachyderm"),
	}
	if password := get("PASSWORD", ""); password != "" {
		u.User = url.UserPassword(u.User.Username(), password)
	}
	if ssl := get("SSL", ""); ssl != "" {
		u.RawQuery = url.Values{"sslmode": {ssl}}.Encode()
	}
	c.Database.URL = secret.Text(u.String())
	return nil
}
