package configfile

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"pachyderm/client"
	"pachyderm/internal/fault"
	"pachyderm/internal/strict"
)

// DefaultAddress is where pachd is looked for if a context has no address.
const DefaultAddress = "grpc://localhost:30650"

// Context is one installation that pachctl can talk to.
type Context struct {
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
	SourceImported source = 3
)

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

func (c *Context) UnmarshalJSON(data []byte) (err error) {
	type plain Context
	c.others, err = split(data, (*plain)(c))
	return err
}

func (c Context) MarshalJSON() ([]byte, error) {
	type plain Context
	return splice(plain(c), c.others)
}

// Text is the context for people: its source has a name.
func (c Context) Text() ([]byte, error) {
	name, err := json.Marshal(c.Source.String())
	if err != nil {
		return nil, err
	}
	plain, others := c, map[string]json.RawMessage{}
	maps.Copy(others, c.others)
	if c.Source != 0 {
		others["source"] = name
		plain.Source = 0
	}
	plain.others = others
	return json.MarshalIndent(plain, "", "  ")
}

// ParseContext is strict: what is misspelt here would be missed much later.
func ParseContext(data []byte) (*Context, error) {
	members, doc := map[string]any{}, &Context{}
	err := strict.Decode(data, &members)
	if err == nil {
		if name, ok := members["source"].(string); ok { // a number in the file, a name for people
			if n := slices.Index(sources(), name); n >= 0 {
				members["source"] = n
			}
		}
		err = strict.DecodeValue(members, doc)
	}
	if err != nil {
		return nil, fault.Prefix(err, "malformed context")
	}
	return doc, doc.Normalise()
}

// Normalise qualifies the address and checks what goes with it.
func (c *Context) Normalise() error {
	if c.Address != "" {
		address, err := client.ParseAddress(c.Address)
		if err != nil {
			return err
		}
		c.Address = address.String()
	}
	if c.ServerCAs == "" {
		return nil
	}
	if _, err := base64.StdEncoding.DecodeString(c.ServerCAs); err != nil {
		return fault.New(fault.Invalid, "server_cas is not valid base64").Next("encode the PEM file with: base64 -w0 ca.pem")
	}
	if c.Address != "" && !strings.HasPrefix(c.Address, "grpcs://") {
		return fault.New(fault.Invalid, "server_cas needs an address with TLS, and %s has none", c.Address).
			Next("use an address that begins with grpcs://")
	}
	return nil
}
