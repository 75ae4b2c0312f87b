package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"pachyderm/internal/config/declared"
	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
	"pachyderm/internal/strict"
	"pachyderm/internal/webaddr"
)

// Config is pachd's configuration. The json tag is the key in pachd.yaml; the
// environment variable is derived from it (variable); doc explains it in
// docs/config.md.
type Config struct {
	PublicURL string `json:"publicURL" doc:"Where browsers and clients reach pachd, and the issuer's name; a path such as /dex is allowed. Derived from listen.http when empty."`
	Insecure  bool   `json:"insecure" doc:"Allow plain text on addresses that are not this machine's: for evaluation, or behind a proxy that terminates TLS."`
	// TrustedProxies also takes in what stands under its older name.
	TrustedProxies prefixes `json:"trustedProxies" doc:"Networks, separated by commas, of the proxies in front of pachd: their X-Forwarded-For says who sent a request, and an authproxy connector believes their headers. Without one that type is off, and all who come through a proxy count as one network."`
	Listen         Listen   `json:"listen"`
	TLS            TLS      `json:"tls"`
	Database       Database `json:"database"`
	Storage        Storage  `json:"storage"`
	Sealing        struct {
		KeyFile string `json:"keyFile" doc:"The key that seals secrets in the database; sealing-key in the data directory when empty. Replicas share one."`
	} `json:"sealing"`
	Kubernetes Kubernetes `json:"kubernetes"`
	Auth       struct {
		Activate        bool        `json:"activate" doc:"Activate authentication at the first start."`
		RootToken       secret.Text `json:"rootToken" doc:"The root token; one is made and stored in the data directory when empty."`
		SessionDuration Duration    `json:"sessionDuration" doc:"How long a sign-in by pachctl lasts."`
		RobotTokenTTL   Duration    `json:"robotTokenTTL" doc:"The longest that a new token of a robot may live, such as 2160h; for ever when empty. Tokens that are there, or restored, stay."`
	} `json:"auth"`
	Issuer struct {
		SigningAlgorithm string `json:"signingAlgorithm" doc:"RS256, which every client knows, or ES256, which is faster. A change takes effect when the key rotates."`
	} `json:"issuer"`
	Connectors struct {
		TrustedProxies prefixes `json:"trustedProxies" doc:"The older name of trustedProxies."`
	} `json:"connectors"`
	Secrets struct {
		AllowEnv      names `json:"allowEnv" doc:"Environment variables, separated by commas, that ${env:NAME} in a connector's document may name; * stands for any characters. None when empty, and never pachd's own."`
		AllowFiles    names `json:"allowFiles" doc:"Folders, separated by commas, that ${file:PATH} in a connector's document may read from, beside the folder secrets in the data directory. Never pachd's own files, nor the service account's."`
		DeclaredFiles names `json:"declaredFiles" doc:"Folders, separated by commas, that ${file:PATH} in what bootstrap declares may read from, beside those of allowFiles. Nobody who writes connectors over the API may name them."`
	} `json:"secrets"`
	Limits        Limits       `json:"limits"`
	SignInTraces  SignInTraces `json:"signInTraces"`
	ShutdownDelay Duration     `json:"shutdownDelay" doc:"How long pachd goes on serving after it is told to stop, and says that it is not ready, so that load balancers turn away from it first, such as 5s."`
	Log           Log          `json:"log"`
	Tracing       Tracing      `json:"tracing"`
	Cluster       struct {
		DeploymentID string `json:"deploymentID" doc:"Returned by InspectCluster."`
		PublicHost   string `json:"publicHost" doc:"Host name of the proxy in front of pachd, returned by InspectCluster."`
		PublicTLS    bool   `json:"publicTLS" doc:"Whether that proxy speaks TLS."`
	} `json:"cluster"`

	// Bootstrap is what there should be, beside settings: it is Declared, put together
	// with upstream's variables.
	Bootstrap declared.Document `json:"bootstrap"`
	Declared  declared.State    `json:"-"`
	// Notes are what an operator should read in the log.
	Notes []string `json:"-"`
	// StorageNotes are such about where data is kept.
	StorageNotes []string `json:"-"`

	environ []string
	// DataDir comes from --data-dir, and File from --config.
	DataDir string `json:"-"`
	File    string `json:"-"`
	// Environ are the variables that are not pachd's own.
	Environ map[string]secret.Text `json:"-"`
}

// Kubernetes is for a pachd in a pod.
type Kubernetes struct {
	KeysSecret     string `json:"keysSecret" doc:"A Secret in the namespace of the pod that replicas share, in place of files in the data directory, for what pachd makes: the sealing key under sealing-key, unless sealing.keyFile names one, and the root token under root-token, unless one is configured. It has to be there; pachd writes each key once, and starts with what is in it. The service account needs get and update of it."`
	ServiceAccount string `json:"serviceAccount" doc:"The folder with the token of the service account, ca.crt and namespace."`
}

// secretName is what Kubernetes takes for the name of a Secret (RFC 1123 subdomain).
var secretName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`)

func (k Kubernetes) validate(add func(format string, a ...any)) {
	if k.KeysSecret != "" && !secretName.MatchString(k.KeysSecret) {
		add("kubernetes.keysSecret: %q is not the name of a Secret", k.KeysSecret)
	}
}

// Listen says where pachd listens; an empty address switches a listener off.
type Listen struct {
	GRPC     string `json:"grpc" doc:"Address of the gRPC API."`
	HTTP     string `json:"http" doc:"Address of the issuer, the pages and the readiness check."`
	Callback string `json:"callback" doc:"Address of upstream's separate callback port."`
	Metrics  string `json:"metrics" doc:"Address of the Prometheus metrics."`
}

// SignInTraces are what is kept of sign-ins, for administrators.
type SignInTraces struct {
	PerConnector int      `json:"perConnector" doc:"How many traces of sign-ins are kept for each connector, sealed: what its provider said of the person, what was made of it, and why it was refused. Of sign-ins in which nobody proved who they are, half as many. 0 keeps none."`
	KeepFor      Duration `json:"keepFor" doc:"How long they are kept."`
}

func (t SignInTraces) validate(add func(format string, a ...any)) {
	if t.PerConnector < 0 || t.PerConnector > 100000 {
		add("signInTraces.perConnector: must be from 0 to 100000")
	}
	if t.KeepFor <= 0 {
		add("signInTraces.keepFor: must be more than 0s, and perConnector: 0 keeps none")
	}
}

// Limits are what pachd takes from those who have not signed in. A network is
// an IPv4 address or the first 64 bits of an IPv6 address.
type Limits struct {
	SignInsPerMinute int `json:"signInsPerMinute" doc:"Requests that begin a sign-in, one or two for each, that one network may make, and as many at once; device codes of one OIDC client half as many, its token requests and calls of Authenticate twice as many."`
	WrongPasswords   int `json:"wrongPasswords" doc:"Wrong passwords within 15 minutes for one account from one network; twenty times as many from one network in all, and five times as many wrong user codes. More for one account, from anywhere, only delay it."`
	PendingSignIns   int `json:"pendingSignIns" doc:"Sign-ins, and device codes, that may be under way; a tenth of it from one network. Beyond that, the oldest of whoever has most are dropped."`
	Connections      int `json:"connections" doc:"Open connections of each listener; a quarter of it from one network that is not a trusted proxy."`
}

func (l Limits) validate(add func(format string, a ...any)) {
	for key, n := range map[string]int{
		"signInsPerMinute": l.SignInsPerMinute, "wrongPasswords": l.WrongPasswords,
		"pendingSignIns": l.PendingSignIns, "connections": l.Connections,
	} {
		if n < 1 {
			add("limits.%s: must be more than 0", key)
		}
	}
}

// TLS is for the gRPC and HTTP listeners.
type TLS struct {
	CertFile string `json:"certFile" doc:"Certificate chain in PEM; with keyFile it switches TLS on for gRPC and HTTP."`
	KeyFile  string `json:"keyFile" doc:"Private key in PEM."`
}

// names is a list written with commas.
type names []string

// UnmarshalText splits at commas.
func (n *names) UnmarshalText(b []byte) error {
	*n = nil
	for name := range strings.SplitSeq(string(b), ",") {
		if name = strings.TrimSpace(name); name != "" {
			*n = append(*n, name)
		}
	}
	return nil
}

func (n names) String() string { return strings.Join(n, ",") }

// prefixes is a list of networks written with commas.
type prefixes []netip.Prefix

// UnmarshalText reads networks such as 10.0.0.0/8 and single addresses.
func (p *prefixes) UnmarshalText(b []byte) error {
	var list names
	if err := list.UnmarshalText(b); err != nil {
		return err
	}
	*p = nil
	for _, name := range list {
		prefix, err := netip.ParsePrefix(name)
		if err != nil {
			address, err := netip.ParseAddr(name)
			if err != nil {
				return errors.New("expected networks such as 10.0.0.0/8 or addresses, separated by commas")
			}
			prefix = netip.PrefixFrom(address, address.BitLen())
		}
		*p = append(*p, prefix)
	}
	return nil
}

// Log says what is logged, to standard error.
type Log struct {
	Level  string `json:"level" doc:"debug, info, warn or error."`
	Format string `json:"format" doc:"text or json."`
}

// Tracing says where traces go, by OTLP over HTTP.
type Tracing struct {
	Endpoint string `json:"endpoint" doc:"Address of an OpenTelemetry collector, such as http://otel-collector:4318, to which traces of all requests go; all requests of one login are one trace. None when empty."`
	Percent  int    `json:"percent" doc:"How many of a hundred traces are sent."`
}

func (t Tracing) validate(add func(format string, a ...any)) {
	if t.Percent < 0 || t.Percent > 100 {
		add("tracing.percent: must be from 0 to 100")
	}
	if t.Endpoint == "" {
		return
	}
	if u, err := webaddr.Parse(t.Endpoint); err != nil || u.Path != "" {
		add("tracing.endpoint: %q is not an address such as http://otel-collector:4318", t.Endpoint)
	}
}

// Duration is a time.Duration written as 90m or 720h.
type Duration time.Duration

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return errors.New("expected a duration such as 90m or 720h")
	}
	*d = Duration(v)
	return nil
}

// standard is the configuration of a pachd that was told nothing.
func standard() (c Config) {
	c.Listen = Listen{GRPC: "localhost:30650", HTTP: "localhost:30658", Callback: "localhost:30657", Metrics: "localhost:30656"}
	c.Auth.Activate, c.Auth.SessionDuration = true, Duration(30*24*time.Hour)
	c.Issuer.SigningAlgorithm = "RS256"
	c.Secrets.AllowFiles = names{"/run/secrets"}
	c.Limits = Limits{SignInsPerMinute: 600, WrongPasswords: 10, PendingSignIns: 10000, Connections: 4096}
	c.SignInTraces = SignInTraces{PerConnector: 200, KeepFor: Duration(14 * 24 * time.Hour)}
	c.Log = Log{Level: "info", Format: "text"}
	c.Tracing.Percent = 100
	c.Kubernetes.ServiceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"
	c.Database.MaxOpenConns = 32
	return c
}

// Load reads the file, if one is named, and the environment, and validates.
// environ is as of os.Environ.
func Load(dataDir, file string, environ []string) (Config, error) {
	c := standard()
	c.DataDir, c.File, c.environ = dataDir, file, environ
	var data []byte
	if file != "" {
		var err error
		if data, err = os.ReadFile(file); err != nil { //nolint:gosec // the operator names the file
			return c, fault.New(fault.Precondition, "cannot read the configuration %s", file).
				Next("check --config").Because(err)
		}
		if blank(data) {
			data = []byte("{}")
		}
		if err := strict.Decode(data, &c); err != nil {
			return c, fault.Prefix(err, "%s", file)
		}
	}
	if err := c.readEnviron(environ); err != nil {
		return c, err
	}
	upstream := ofUpstream(environ)
	if err := c.readUpstream(upstream); err != nil {
		return c, err
	}
	var err error
	if c.Declared, err = declared.Read(c.Bootstrap, file, data, upstream); err != nil {
		return c, err
	}
	if err := c.readRootToken(); err != nil {
		return c, err
	}
	if err := c.Storage.S3.read(); err != nil {
		return c, err
	}
	c.complete()
	c.Environ = foreign(environ)
	c.StorageNotes = c.storageNotes()
	return c, c.validate()
}

// Again reads the configuration as it is now, from the same file and environment.
func (c Config) Again() (Config, error) { return Load(c.DataDir, c.File, c.environ) }

// readRootToken takes the root token from the file that is declared.
func (c *Config) readRootToken() error {
	path := c.Bootstrap.RootTokenFile
	switch {
	case path == "":
		return nil
	case c.Auth.RootToken != "":
		return fault.New(fault.Invalid, "bootstrap.rootTokenFile and auth.rootToken (AUTH_ROOT_TOKEN) both give the root token").
			Next("keep one of the two")
	}
	data, err := secret.ReadFile("root token", path)
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Precondition, "bootstrap.rootTokenFile: the file %s is not there", path).Next("put the root token into it")
	}
	if err != nil {
		return fault.Prefix(err, "bootstrap.rootTokenFile")
	}
	if c.Auth.RootToken = secret.Text(strings.TrimSpace(string(data))); c.Auth.RootToken == "" {
		return fault.New(fault.Invalid, "bootstrap.rootTokenFile: the file %s is empty", path).Next("put the root token into it")
	}
	return nil
}

// blank reports whether a file has only comments: all of its settings are
// defaults then.
func blank(data []byte) bool {
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			return false
		}
	}
	return true
}

func (c *Config) complete() {
	if c.TrustedProxies == nil {
		c.TrustedProxies = c.Connectors.TrustedProxies
	}
	if c.Database.URL == "" {
		c.Database.URL = secret.Text("sqlite:" + filepath.Join(c.DataDir, "pachd.db"))
	}
	if c.Storage.Dir == "" && c.Storage.S3.Endpoint == "" {
		c.Storage.Dir = filepath.Join(c.DataDir, "objects")
	}
	if c.Sealing.KeyFile == "" && c.Kubernetes.KeysSecret == "" {
		c.Sealing.KeyFile = filepath.Join(c.DataDir, "sealing-key")
	}
}

// RootTokenFile is where a root token that was made is kept.
func (c Config) RootTokenFile() string { return filepath.Join(c.DataDir, "root-token") }

// Own are the files and folders that hold what is pachd's alone.
func (c Config) Own() []string {
	own := []string{
		c.DataDir, c.File, c.Sealing.KeyFile, c.TLS.KeyFile, c.Database.PasswordFile, c.Database.SSLKey, c.Bootstrap.RootTokenFile,
		c.Kubernetes.ServiceAccount, c.Storage.Dir, c.Storage.S3.SecretKeyFile,
	}
	if path, isFile := strings.CutPrefix(c.Database.URL.Reveal(), "sqlite:"); isFile {
		own = append(own, path)
	}
	return slices.DeleteFunc(own, func(path string) bool { return path == "" })
}

// validate returns every problem at once.
func (c Config) validate() error {
	var problems []string
	add := func(format string, a ...any) { problems = append(problems, fmt.Sprintf(format, a...)) }
	if c.DataDir == "" {
		add("no data directory: set one with --data-dir")
	}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		add("tls: set both certFile and keyFile, or neither")
	}
	for key, address := range map[string]string{
		"listen.grpc": c.Listen.GRPC, "listen.http": c.Listen.HTTP, "listen.callback": c.Listen.Callback, "listen.metrics": c.Listen.Metrics,
	} {
		if address == "" {
			continue
		}
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			add("%s: %q is not an address: write one such as localhost:30650 or 0.0.0.0:30650", key, address)
		} else if key != "listen.metrics" && !webaddr.IsLoopback(host) && c.TLS.CertFile == "" && !c.Insecure {
			add("%s: %s would send tokens over the network in plain text: set tls.certFile and tls.keyFile, "+
				"or insecure: true for evaluation or behind a proxy that terminates TLS", key, address)
		}
	}
	if c.PublicURL != "" {
		if _, err := webaddr.Parse(c.PublicURL); err != nil {
			add("publicURL: %s", fault.Message(err))
		}
	}
	c.Database.validate(add)
	c.Storage.validate(add)
	c.Kubernetes.validate(add)
	if c.Issuer.SigningAlgorithm != "RS256" && c.Issuer.SigningAlgorithm != "ES256" {
		add("issuer.signingAlgorithm: %q: use RS256 or ES256", c.Issuer.SigningAlgorithm)
	}
	c.Limits.validate(add)
	c.SignInTraces.validate(add)
	c.Tracing.validate(add)
	if c.Auth.RobotTokenTTL < 0 {
		add("auth.robotTokenTTL: must not be less than 0s")
	}
	if c.ShutdownDelay < 0 {
		add("shutdownDelay: must not be less than 0s")
	}
	if c.Auth.SessionDuration <= 0 {
		add("auth.sessionDuration: must be more than 0")
	}
	if t := c.Auth.RootToken.Reveal(); t != "" && len(t) < secret.MinLength {
		add("auth.rootToken: is too short to be a secret: use at least %d characters, better 32 random ones", secret.MinLength)
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log.Level) {
		add("log.level: %q: use debug, info, warn or error", c.Log.Level)
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		add("log.format: %q: use text or json", c.Log.Format)
	}
	if len(problems) == 0 {
		return nil
	}
	return fault.New(fault.Invalid, "%s", strings.Join(problems, "; "))
}
