package idp

import (
	"bytes"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pachyderm/internal/cli/idp/preset"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/connector"
	"pachyderm/internal/fault"
	"pachyderm/internal/strict"
	"pachyderm/test/idp"
)

const presetCallback = "https://pachyderm.example.com/callback"

// domains are what people give for each preset, in the way that they copy it.
var domains = map[string]string{
	"auth0": "https://acme.eu.auth0.com/", "okta": "acme.okta.com", "entra": "72f988bf-86f1-41af-91ab-2d7cd011db47", "google": "example.com",
	"github": "acme", "gitlab": "gitlab.example.com", "keycloak": "https://id.example.com/realms/acme/", "ldap": "ldap.example.com:636",
	"ad": "ad.example.com", "saml": "https://id.example.com/saml/metadata.php?sp=a&b=c",
}

// run runs pachctl idp with the arguments behind it.
func run(t *testing.T, args ...string) (stdout, stderr *bytes.Buffer, code int) {
	t.Helper()
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	k := &kit.Kit{Stdin: strings.NewReader(""), Stdout: stdout, Stderr: stderr, Getenv: func(string) string { return "" }, Now: time.Now}
	c := Commands(k)[0]
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(args)
	if err := c.ExecuteContext(t.Context()); err != nil {
		code = k.Report(err)
	}
	return stdout, stderr, code
}

// newConnectorOf runs the command.
func newConnectorOf(t *testing.T, args ...string) (document, register string) {
	t.Helper()
	stdout, stderr, code := run(t, append([]string{"new-connector"}, args...)...)
	if code != 0 {
		t.Fatalf("%v: exit code %d: %s", args, code, stderr)
	}
	return stdout.String(), stderr.String()
}

func openDocument(t *testing.T, text string) error {
	t.Helper()
	c, err := connectorOf(kit.Document{Name: "preset.yaml", Data: []byte(text)})
	if err != nil {
		return err
	}
	config := c.GetConfig().AsMap()
	schema, ok := connectorSchemaOf(t, c.GetType())
	if !ok {
		t.Errorf("there is no schema of type %s", c.GetType())
	}
	for key := range config {
		if !bytes.Contains(schema, []byte(`"`+key+`":`)) {
			t.Errorf("the schema of %s has no %s", c.GetType(), key)
		}
	}
	_, err = connector.Open(c.GetId(), c.GetType(), config, connector.Deps{
		Now: time.Now, Log: slog.New(slog.DiscardHandler), Callback: presetCallback, FormURL: func(string) string { return "" },
	})
	return err
}

func connectorSchemaOf(t *testing.T, typ string) ([]byte, bool) {
	t.Helper()
	stdout, _, code := run(t, "schema", typ)
	return stdout.Bytes(), code == 0
}

var placeholder = regexp.MustCompile(`<[^<>\n]+>`)

// filled puts in what a person would.
func filled(document, ca string) string {
	return placeholder.ReplaceAllStringFunc(document, func(p string) string {
		switch {
		case strings.Contains(p, "base DN"):
			return "dc=example,dc=com"
		case strings.Contains(p, "CA certificate"):
			return ca
		}
		return "x"
	})
}

func TestPreset_TakenByPachd(t *testing.T) {
	ca := idp.NewCA(t).File
	for _, p := range preset.All() {
		t.Run(p.Key, func(t *testing.T) {
			text, register := newConnectorOf(t, p.Key, "--domain", domains[p.Key], "--callback", presetCallback)
			if err := openDocument(t, filled(text, ca)); err != nil {
				t.Errorf("%v\n%s", err, text)
			}
			if err := openDocument(t, filled(uncommented(text), ca)); err != nil {
				t.Errorf("with its alternatives: %v\n%s", err, uncommented(text))
			}
			if !p.Offline && (!strings.Contains(register, presetCallback) || !strings.Contains(text, presetCallback)) {
				t.Errorf("the callback is missing:\n%s%s", register, text)
			}
			if strings.Contains(register, "<no value>") || strings.Contains(text, "{{") {
				t.Errorf("a template was not filled:\n%s%s", register, text)
			}
			long := func(line string) bool {
				return len(line) > 82 && !strings.Contains(line, "https://") && !strings.Contains(line, "filter:")
			}
			for _, line := range slices.DeleteFunc(strings.Split(register+text, "\n"), func(l string) bool { return !long(l) }) {
				t.Errorf("too long for a terminal: %s", line)
			}
			again, _ := newConnectorOf(t, p.Key, "--domain", domains[p.Key], "--callback", presetCallback, "--id", "007", "--name", `Acme: "us" # 1`)
			c, err := connectorOf(kit.Document{Name: "preset.yaml", Data: []byte(again)})
			if err != nil || c.GetId() != "007" || c.GetName() != `Acme: "us" # 1` {
				t.Errorf("an odd name: %v, %v", c, err)
			}
		})
	}
}

// uncommented makes keys of the alternatives that stand in comments, but for
// those that are instead of a key.
func uncommented(text string) string {
	instead := regexp.MustCompile(`startTLS|BEGIN|rootCAData|rootCA:|rootCAs|serviceAccount|hostName|teams:`)
	alternative := regexp.MustCompile(`^( *)# ((?: *)(?:"?[a-zA-Z*]+"?:( .*)?|- .*))$`)
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if m := alternative.FindStringSubmatch(line); m != nil && !instead.MatchString(line) && !strings.Contains(line, ". ") {
			line = m[1] + m[2]
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

func TestPreset_WithoutDomain(t *testing.T) {
	for _, p := range preset.All() {
		text, _ := newConnectorOf(t, p.Key, "--callback", presetCallback)
		var parsed map[string]any
		if err := strict.Decode([]byte(text), &parsed); err != nil {
			t.Errorf("%s: %v\n%s", p.Key, err, text)
		}
		if !placeholder.MatchString(text) {
			t.Errorf("%s: nothing is to be filled in:\n%s", p.Key, text)
		}
	}
}

// unfilled are the lines whose placeholder pachd takes, because it may be meant:
// nobody is in a group or a domain of that name.
var unfilled = regexp.MustCompile(`^- <|@<`)

func TestPreset_PlaceholderLeft(t *testing.T) {
	ca := idp.NewCA(t).File
	for _, p := range preset.All() {
		text, _ := newConnectorOf(t, p.Key, "--callback", presetCallback)
		lines := strings.Split(text, "\n")
		for n, line := range lines {
			line, _, _ = strings.Cut(strings.TrimSpace(line), " #")
			if strings.HasPrefix(line, "#") || unfilled.MatchString(line) || !placeholder.MatchString(line) {
				continue
			}
			left := slices.Clone(lines)
			for i := range left {
				if i != n {
					left[i] = filled(left[i], ca)
				}
			}
			key, _, _ := strings.Cut(strings.TrimPrefix(line, "- "), ":")
			err := openDocument(t, strings.Join(left, "\n"))
			if !fault.Is(err, fault.Invalid) || !strings.Contains(fault.FieldOf(err), key) {
				t.Errorf("%s: %s: %v", p.Key, line, err)
			}
		}
	}
}

func TestNewConnector_Refuses(t *testing.T) {
	for _, args := range [][]string{
		{"entra", "--domain", "example.onmicrosoft.com"},
		{"github", "--domain", "https://github.com/acme"},
		{"okta", "--domain", "acme.okta.com # x"},
		{"okta", "--domain", "a\nb: c"},
		{"ad", "--domain", "ad.example.com:636"},
		{"saml", "--domain", "id.example.com"},
		{"auth0", "--id", "a b"},
		{"auth0", "--callback", "https://pachyderm.example.com"},
		{"auth0", "--callback", "pachyderm.example.com/callback"},
		{"auth00"},
		{"nonsense"},
		{},
	} {
		stdout, _, code := run(t, append([]string{"new-connector"}, args...)...)
		if code != 2 || stdout.Len() > 0 {
			t.Errorf("%q: exit code %d, %s", args, code, stdout)
		}
	}
}
