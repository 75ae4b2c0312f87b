package probe_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/connector/probe"
	"pachyderm/internal/fault"
)

func TestReport_Do_Remedy(t *testing.T) {
	at := time.Now()
	l := probe.New(func() time.Time { return at })
	for name, err := range map[string]error{
		"colons": fault.New(fault.Precondition, "the directory requires TLS").Next("use startTLS: true or LDAPS, without insecureNoSSL"),
		"none":   fault.New(fault.Precondition, "the directory: it wants TLS"),
		"hidden": errors.New("dial 10.0.0.7: refused"),
	} {
		if l.Do(name, func() (string, error) { return "", err }) {
			t.Errorf("%s: one may go on", name)
		}
	}
	want := map[string]probe.Step{
		"colons": {
			Name: "colons", Status: probe.Failed, Result: "the directory requires TLS", Remedy: "use startTLS: true or LDAPS, without insecureNoSSL",
		},
		"none":   {Name: "none", Status: probe.Failed, Result: "the directory: it wants TLS"},
		"hidden": {Name: "hidden", Status: probe.Failed, Result: "it did not work", Remedy: "look at pachd's log"},
	}
	got := map[string]probe.Step{}
	for _, s := range l.Steps {
		got[s.Name] = s
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
