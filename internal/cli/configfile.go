package cli

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"pachyderm/client"
)

// configFile is upstream's configuration file, which its own client and the
// Python SDK read too: the names, the places and the omission of zero values
// are theirs, and there are no keys of ours. Keys that are not known here are
// kept as they are.
type configFile struct {
	UserID string    `json:"user_id,omitempty"`
	V1     *configV1 `json:"v1,omitempty"`
	V2     *configV2 `json:"v2,omitempty"`
	others map[string]json.RawMessage
}

// configV1 is what clients before 1.9 wrote.
type configV1 struct {
	Address   string `json:"pachd_address,omitempty"`
	ServerCAs string `json:"server_cas,omitempty"`
	Token     string `json:"session_token,omitempty"`
	others    map[string]json.RawMessage
}

type configV2 struct {
	Active           string                 `json:"active_context,omitempty"`
	ActiveEnterprise string                 `json:"active_enterprise_context,omitempty"`
	Contexts         map[string]*contextDoc `json:"contexts,omitempty"`
	Metrics          bool                   `json:"metrics,omitempty"`
	others           map[string]json.RawMessage
}

// contextDoc is one installation that pachctl can talk to.
type contextDoc struct {
	Source         source            `json:"source,omitempty"`
	Address        string            `json:"pachd_address,omitempty"`
	ServerCAs      string            `json:"server_cas,omitempty"` // base64 of PEM
	Token          string            `json:"session_token,omitempty"`
	Transaction    string            `json:"active_transaction,omitempty"`
	ClusterName    string            `json:"cluster_name,omitempty"`
	AuthInfo       string            `json:"auth_info,omitempty"`
	Namespace      string            `json:"namespace,omitempty"`
	PortForwarders map[string]uint32 `json:"port_forwarders,omitempty"`
	DeploymentID   string            `json:"cluster_deployment_id,omitempty"`
	Enterprise     bool              `json:"enterprise_server,omitempty"`
	Project        string            `json:"project,omitempty"`
	others         map[string]json.RawMessage
}

// source says where a context came from: a number in the file, a name for
// people.
type source int

func sources() []string { return []string{"NONE", "CONFIG_V1", "HUB", "IMPORTED"} }

const (
	sourceV1       source = 1
	sourceImported source = 3
)

// mask stands for a secret that is kept and not shown.
const mask = "***"

func (s source) String() string {
	if names := sources(); int(s) >= 0 && int(s) < len(names) {
		return names[s]
	}
	return strconv.Itoa(int(s))
}

func (s *source) UnmarshalJSON(data []byte) error {
	text := strings.Trim(string(data), `"`)
	if n := slices.Index(sources(), text); n >= 0 {
		*s = source(n)
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("source: use one of %s", strings.Join(sources(), ", "))
	}
	*s = source(n)
	return nil
}

func (c *configFile) UnmarshalJSON(data []byte) (err error) {
	type plain configFile
	c.others, err = split(data, (*plain)(c))
	return err
}

func (c configFile) MarshalJSON() ([]byte, error) {
	type plain configFile
	return splice(plain(c), c.others)
}

func (c *configV1) UnmarshalJSON(data []byte) (err error) {
	type plain configV1
	c.others, err = split(data, (*plain)(c))
	return err
}

func (c configV1) MarshalJSON() ([]byte, error) {
	type plain configV1
	return splice(plain(c), c.others)
}

func (c *configV2) UnmarshalJSON(data []byte) (err error) {
	type plain configV2
	c.others, err = split(data, (*plain)(c))
	return err
}

func (c configV2) MarshalJSON() ([]byte, error) {
	type plain configV2
	return splice(plain(c), c.others)
}

func (c *contextDoc) UnmarshalJSON(data []byte) (err error) {
	type plain contextDoc
	c.others, err = split(data, (*plain)(c))
	return err
}

func (c contextDoc) MarshalJSON() ([]byte, error) {
	type plain contextDoc
	return splice(plain(c), c.others)
}

// split reads an object into a struct, and returns the members that the struct
// has no field for.
func split(data []byte, into any) (map[string]json.RawMessage, error) {
	if err := json.Unmarshal(data, into); err != nil {
		return nil, err
	}
	others := map[string]json.RawMessage{}
	if err := json.Unmarshal(data, &others); err != nil {
		return nil, err
	}
	for _, name := range keysOf(reflect.TypeOf(into).Elem()) {
		delete(others, name)
	}
	return others, nil
}

func keysOf(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// splice writes a struct, and behind its members the others.
func splice(known any, others map[string]json.RawMessage) ([]byte, error) {
	out, err := json.Marshal(known)
	if err != nil || len(others) == 0 {
		return out, err
	}
	out = bytes.TrimSuffix(out, []byte("}"))
	for _, name := range slices.Sorted(maps.Keys(others)) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = strconv.AppendQuote(out, name)
		out = append(append(out, ':'), others[name]...)
	}
	return append(out, '}'), nil
}

// configPath is where the file is, and whether the user named the place.
func (e Env) configPath() (path string, named bool) {
	if p := e.Getenv("PACH_CONFIG"); p != "" {
		return p, true
	}
	const inCluster = "/pachctl/config.json"
	if _, err := os.Stat(inCluster); err == nil {
		return inCluster, false
	}
	return filepath.Join(e.Getenv("HOME"), ".pachyderm", "config.json"), false
}

// loadConfig reads the file, and on the first run makes it.
func (e Env) loadConfig() (*configFile, error) {
	path, named := e.configPath()
	if named {
		if _, err := os.Stat(filepath.Dir(path)); err != nil {
			return nil, fmt.Errorf("cannot use config at %s: could not stat parent directory: create it, or correct PACH_CONFIG", path)
		}
	}
	data, err := os.ReadFile(path) //nolint:gosec // the user's own file, wherever they say it is
	if errors.Is(err, fs.ErrNotExist) {
		c := e.newConfig()
		// Whoever only reads can do without the file; a change that cannot be
		// written will say so.
		_ = e.saveConfig(c)
		return c, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	c, err := parseConfig(data)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration in %s: %w: correct it, or move it away to start anew", path, err)
	}
	return c, nil
}

func (e Env) newConfig() *configFile {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	c := &configFile{UserID: hex.EncodeToString(id), V2: &configV2{Active: "default", Contexts: map[string]*contextDoc{"default": {}}, Metrics: true}}
	if a, err := client.ParseAddress(e.Getenv("PACHD_ADDRESS")); err == nil {
		c.V2.Contexts["default"].Address = a.String()
	}
	return c
}

// parseConfig is lenient as upstream's: any YAML will do.
func parseConfig(data []byte) (*configFile, error) {
	if !json.Valid(data) {
		var v any
		if err := yaml.Unmarshal(data, &v); err != nil {
			return nil, errors.New("it is neither JSON nor YAML")
		}
		var err error
		if data, err = json.Marshal(v); err != nil {
			return nil, errors.New("it is neither JSON nor YAML")
		}
	}
	c := &configFile{}
	if err := json.Unmarshal(data, c); err != nil {
		return nil, errors.New("it does not have the form of a configuration")
	}
	c.migrate()
	return c, nil
}

// migrate brings what older clients have written into today's form.
func (c *configFile) migrate() {
	if c.V2 == nil {
		c.V2 = &configV2{Active: "default", Metrics: true}
		first := &contextDoc{}
		if c.V1 != nil {
			first = &contextDoc{Source: sourceV1, Address: c.V1.Address, ServerCAs: c.V1.ServerCAs, Token: c.V1.Token}
			c.V1 = nil
		}
		c.V2.Contexts = map[string]*contextDoc{"default": first}
	}
	if c.V2.Contexts == nil {
		c.V2.Contexts = map[string]*contextDoc{}
	}
	for name, doc := range c.V2.Contexts {
		if doc == nil {
			c.V2.Contexts[name] = &contextDoc{}
			continue
		}
		if a, err := client.ParseAddress(doc.Address); err == nil {
			doc.Address = a.String()
		}
	}
}

// saveConfig replaces the file as a whole, so that a reader never sees half of
// it. It holds the session token: nobody else may read it.
func (e Env) saveConfig(c *configFile) error {
	path, named := e.configPath()
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := json.Indent(&text, data, "", "  "); err != nil {
		return err
	}
	text.WriteByte('\n')
	if err := writeFile(path, text.Bytes(), !named); err != nil {
		return fmt.Errorf("cannot write the configuration: %w: make %s writable, or name another place in PACH_CONFIG", err, filepath.Dir(path))
	}
	return nil
}

func writeFile(path string, data []byte, makeDir bool) (err error) {
	dir := filepath.Dir(path)
	if makeDir {
		if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // as upstream makes it; the file itself is private
			return err
		}
	}
	// A link stays one: people keep such files elsewhere.
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path, dir = target, filepath.Dir(target)
	}
	f, err := os.CreateTemp(dir, ".config-*.json") // 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// changeConfig reads the file again, changes it and writes it, so that what
// another pachctl has written meanwhile is not lost.
func (e Env) changeConfig(change func(*configFile) error) error {
	c, err := e.loadConfig()
	if err != nil {
		return err
	}
	if err := change(c); err != nil {
		return err
	}
	return e.saveConfig(c)
}

func errNoContext(name string) error {
	return fmt.Errorf("context does not exist: %s: see those that do with: pachctl config list context", name)
}

// find is the named context.
func (c *configFile) find(name string) (*contextDoc, error) {
	if doc, ok := c.V2.Contexts[name]; ok {
		return doc, nil
	}
	return nil, errNoContext(name)
}

// active is the name of the active context, which PACH_CONTEXT overrides; it
// is "" when there is none.
func (e Env) active(c *configFile) (string, error) {
	name := c.V2.Active
	if over := e.Getenv("PACH_CONTEXT"); over != "" {
		name = over
	}
	if name == "" {
		return "", nil
	}
	_, err := c.find(name)
	return name, err
}

// activeEnterprise falls back to the active context.
func (e Env) activeEnterprise(c *configFile) (string, error) {
	name := c.V2.ActiveEnterprise
	if over := e.Getenv("PACH_ENTERPRISE_CONTEXT"); over != "" {
		name = over
	}
	if name == "" {
		return e.active(c)
	}
	_, err := c.find(name)
	return name, err
}
