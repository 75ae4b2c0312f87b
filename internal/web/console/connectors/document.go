package connectors

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"pachyderm/api/identity"
	"pachyderm/internal/fault"
	"pachyderm/internal/strict"
)

// document is a connector as people write it.
type document struct {
	Type   string         `json:"type" yaml:"type"`
	ID     string         `json:"id" yaml:"id"`
	Name   string         `json:"name" yaml:"name"`
	Config map[string]any `json:"config" yaml:"config"`
}

// documentOf writes a stored connector, whose secrets are masked.
func documentOf(c *identity.IDPConnector) (string, error) {
	return writeDocument(document{Type: c.GetType(), ID: c.GetId(), Name: c.GetName(), Config: c.GetConfig().AsMap()})
}

func writeDocument(d document) (string, error) {
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	err := e.Encode(d)
	return out.String(), err
}

// parseDocument reads one strictly: what has no exact place is a mistake. Fault:
// Invalid, on the line.
func parseDocument(text string) (d document, err error) {
	text = strings.ReplaceAll(text, "\r\n", "\n") // what forms send
	err = strict.Decode([]byte(text), &d)
	return d, err
}

// message is the document as the services take it.
func (d document) message() (*identity.IDPConnector, error) {
	// By way of JSON, because Struct takes no typed slices.
	raw, err := json.Marshal(d.Config)
	if err != nil {
		return nil, err
	}
	config := &structpb.Struct{}
	if err := config.UnmarshalJSON(raw); err != nil {
		return nil, err
	}
	return &identity.IDPConnector{Id: d.ID, Name: d.Name, Type: d.Type, Config: config}, nil
}

func versionText(v int64) string { return strconv.FormatInt(v, 10) }

// parseChange makes of the whole document what an update is: absent keys stay there
// (RFC 7396), so that those that were taken out are sent as null.
func parseChange(text string, stored *identity.IDPConnector) (*identity.IDPConnector, error) {
	d, err := parseDocument(text)
	if err != nil {
		return nil, err
	}
	if d.ID != stored.GetId() || d.Type != stored.GetType() {
		return nil, fault.New(fault.Invalid, "id and type of a connector stay as they are").
			Next("make another connector instead")
	}
	if d.Config == nil {
		return nil, fault.New(fault.Invalid, "config is missing").At("config")
	}
	d.Config = withNulls(d.Config, stored.GetConfig().AsMap())
	change, err := d.message()
	if err != nil {
		return nil, err
	}
	change.ConfigVersion = stored.GetConfigVersion() + 1
	return change, nil
}

func withNulls(next, stored map[string]any) map[string]any {
	for key, old := range stored {
		now, kept := next[key]
		if !kept {
			next[key] = nil
			continue
		}
		was, isMap := old.(map[string]any)
		if is, ok := now.(map[string]any); ok && isMap {
			next[key] = withNulls(is, was)
		}
	}
	return next
}
