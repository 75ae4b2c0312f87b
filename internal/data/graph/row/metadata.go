package row

import (
	"encoding/json"
	"fmt"
)

// Metadata are keys and values that people and programs attach to something.
type Metadata map[string]string

// Scan reads what is stored; it is database/sql's.
func (m *Metadata) Scan(stored any) error {
	*m = nil
	text, ok := stored.(string)
	if !ok || text == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(text), (*map[string]string)(m)); err != nil {
		return fmt.Errorf("stored metadata: %w", err)
	}
	return nil
}

// text is what is stored: "" for none.
func (m Metadata) text() (string, error) {
	if len(m) == 0 {
		return "", nil
	}
	data, err := json.Marshal(map[string]string(m))
	return string(data), err
}
