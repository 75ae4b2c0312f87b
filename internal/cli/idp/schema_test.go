package idp

import (
	"encoding/json"
	"strings"
	"testing"

	"pachyderm/internal/connector"
)

func TestSchema_EveryType(t *testing.T) {
	for _, typ := range connector.Types() {
		data, ok := connectorSchemaOf(t, typ)
		if !ok || !json.Valid(data) {
			t.Errorf("%s: %v", typ, ok)
		}
	}
	if stdout, stderr, code := run(t, "schema", "oicd"); code != 1 || stdout.Len() > 0 || !strings.Contains(stderr.String(), "did you mean oidc?") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if stdout, stderr, code := run(t, "schema", "../doc"); code != 1 || stdout.Len() > 0 || strings.Contains(stderr.String(), "mock") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
