package configfile

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
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
	"pachyderm/internal/fault"
)

// File is upstream's configuration file, which its own client and the
// Python SDK read too: the names, the places and the omission of zero values
// are theirs, and there are no keys of ours. Keys that are not known here are
// kept as they are.
type File struct {
	UserID string `json:"user_id,omitempty"`
	V1     *v1    `json:"v1,omitempty"`
	V2     *v2    `json:"v2,omitempty"`
	others map[string]json.RawMessage
}

// v1 is what clients before 1.9 wrote.
type v1 struct {
	Address   string `json:"pachd_address,omitempty"`
	ServerCAs string `json:"server_cas,omitempty"`
	Token     string `json:"session_token,omitempty"`
	others    map[string]json.RawMessage
}

type v2 struct {
	Active           string              `json:"active_context,omitempty"`
	ActiveEnterprise string              `json:"active_enterprise_context,omitempty"`
	Contexts         map[string]*Context `json:"contexts,omitempty"`
	Metrics          bool                `json:"metrics,omitempty"`
	others           map[string]json.RawMessage
}

func (c *File) UnmarshalJSON(data []byte) (err error) {
	type plain File
	c.others, err = split(data, (*plain)(c))
	return err
}

func (c File) MarshalJSON() ([]byte, error) {
	type plain File
	return splice(plain(c), c.others)
}

func (c *v1) UnmarshalJSON(data []byte) (err error) {
	type plain v1
	c.others, err = split(data, (*plain)(c))
	return err
}

func (c v1) MarshalJSON() ([]byte, error) {
	type plain v1
	return splice(plain(c), c.others)
}

func (c *v2) UnmarshalJSON(data []byte) (err error) {
	type plain v2
	c.others, err = split(data, (*plain)(c))
	return err
}

func (c v2) MarshalJSON() ([]byte, error) {
	type plain v2
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

// locate is where the file is, and whether the user named the place.
func locate(getenv func(string) string) (path string, named bool) {
	if p := getenv("PACH_CONFIG"); p != "" {
		return p, true
	}
	const inCluster = "/pachctl/config.json"
	if _, err := os.Stat(inCluster); err == nil {
		return inCluster, false
	}
	return filepath.Join(getenv("HOME"), ".pachyderm", "config.json"), false
}

// Load reads the file, and on the first run makes it.
func Load(getenv func(string) string) (*File, error) {
	path, named := locate(getenv)
	if named {
		if _, err := os.Stat(filepath.Dir(path)); err != nil {
			return nil, fault.New(fault.Invalid, "cannot use config at %s: could not stat parent directory", path).
				Next("create it, or correct PACH_CONFIG")
		}
	}
	data, err := os.ReadFile(path) //nolint:gosec // the user's own file, wherever they say it is
	if errors.Is(err, fs.ErrNotExist) {
		c := fresh(getenv)
		// Whoever only reads can do without the file; a change that cannot be
		// written will say so.
		_ = c.save(getenv)
		return c, nil
	}
	if err != nil {
		return nil, fault.New(fault.Unavailable, "cannot read the configuration: %v", err)
	}
	c, err := parse(data)
	if err != nil {
		return nil, fault.Prefix(err, "cannot read the configuration in %s", path).Next("correct it, or move it away to start anew")
	}
	return c, nil
}

// fresh is the file of the first run.
func fresh(getenv func(string) string) *File {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	c := &File{UserID: hex.EncodeToString(id), V2: &v2{Active: "default", Contexts: map[string]*Context{"default": {}}, Metrics: true}}
	if a, err := client.ParseAddress(getenv("PACHD_ADDRESS")); err == nil {
		c.V2.Contexts["default"].Address = a.String()
	}
	return c
}

// parse is lenient as upstream's: any YAML will do.
func parse(data []byte) (*File, error) {
	if !json.Valid(data) {
		var v any
		if err := yaml.Unmarshal(data, &v); err != nil {
			return nil, fault.New(fault.Invalid, "it is neither JSON nor YAML")
		}
		var err error
		if data, err = json.Marshal(v); err != nil {
			return nil, fault.New(fault.Invalid, "it is neither JSON nor YAML")
		}
	}
	c := &File{}
	if err := json.Unmarshal(data, c); err != nil {
		return nil, fault.New(fault.Invalid, "it is not a configuration of pachctl")
	}
	c.migrate()
	return c, nil
}

// migrate brings what older clients have written into today's form.
func (c *File) migrate() {
	if c.V2 == nil {
		c.V2 = &v2{Active: "default", Metrics: true}
		first := &Context{}
		if c.V1 != nil {
			first = &Context{Source: sourceV1, Address: c.V1.Address, ServerCAs: c.V1.ServerCAs, Token: c.V1.Token}
			c.V1 = nil
		}
		c.V2.Contexts = map[string]*Context{"default": first}
	}
	if c.V2.Contexts == nil {
		c.V2.Contexts = map[string]*Context{}
	}
	for name, doc := range c.V2.Contexts {
		if doc == nil {
			c.V2.Contexts[name] = &Context{}
			continue
		}
		if a, err := client.ParseAddress(doc.Address); err == nil {
			doc.Address = a.String()
		}
	}
}

// save replaces the file as a whole, so that a reader never sees half of
// it. It holds the session token: nobody else may read it.
func (c *File) save(getenv func(string) string) error {
	path, named := locate(getenv)
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
		return fault.New(fault.Unavailable, "cannot write the configuration: %v", err).
			Next("make %s writable, or set PACH_CONFIG to another file", filepath.Dir(path))
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

// Change reads the file again, changes it and writes it, so that what
// another pachctl has written meanwhile is not lost.
func Change(getenv func(string) string, change func(*File) error) error {
	c, err := Load(getenv)
	if err != nil {
		return err
	}
	if err := change(c); err != nil {
		return err
	}
	return c.save(getenv)
}

// Find is the named context.
func (c *File) Find(name string) (*Context, error) {
	if doc, ok := c.V2.Contexts[name]; ok {
		return doc, nil
	}
	return nil, fault.New(fault.NotFound, "context does not exist: %s", name).
		Next("list those that do with: pachctl config list context")
}

// ActiveName is the name of the active context, which PACH_CONTEXT overrides;
// it is "" when there is none.
func (c *File) ActiveName(getenv func(string) string) (string, error) {
	name := cmp.Or(getenv("PACH_CONTEXT"), c.V2.Active)
	if name == "" {
		return "", nil
	}
	_, err := c.Find(name)
	return name, err
}

// ActiveEnterpriseName falls back to the active context.
func (c *File) ActiveEnterpriseName(getenv func(string) string) (string, error) {
	name := cmp.Or(getenv("PACH_ENTERPRISE_CONTEXT"), c.V2.ActiveEnterprise)
	if name == "" {
		return c.ActiveName(getenv)
	}
	_, err := c.Find(name)
	return name, err
}
