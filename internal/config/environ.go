package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"pachyderm/internal/config/declared"
	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
)

// setting is one key of the configuration.
type setting struct {
	key      string // in pachd.yaml, such as listen.grpc
	variable string // such as PACHD_LISTEN_GRPC
	doc      string // for docs/config.md
	value    reflect.Value
}

// settingsOf lists every setting of a section, in the order of the struct.
func settingsOf(v reflect.Value, prefix string) []setting {
	var all []setting
	for n := range v.NumField() {
		field := v.Type().Field(n)
		key := field.Tag.Get("json")
		if key == "-" || !field.IsExported() {
			continue
		}
		key = prefix + key
		if field.Type == reflect.TypeFor[declared.Document]() {
			continue // has no variables of ours
		}
		if v.Field(n).Kind() == reflect.Struct {
			all = append(all, settingsOf(v.Field(n), key+".")...)
			continue
		}
		all = append(all, setting{key, variable(key), field.Tag.Get("doc"), v.Field(n)})
	}
	return all
}

// variable makes PACHD_PUBLIC_URL of publicURL and PACHD_TLS_CERT_FILE of
// tls.certFile.
func variable(key string) string {
	var b strings.Builder
	b.WriteString("PACHD_")
	lower := false
	for _, r := range key {
		switch {
		case r == '.':
			b.WriteByte('_')
			lower = false
			continue
		case unicode.IsUpper(r) && lower:
			b.WriteByte('_')
		}
		lower = unicode.IsLower(r)
		b.WriteRune(unicode.ToUpper(r))
	}
	return b.String()
}

// readEnviron lets the environment override the file. A PACHD_* variable that
// is none of ours is ignored: Kubernetes injects some for its services.
func (c *Config) readEnviron(environ []string) error {
	byVariable := map[string]setting{}
	byKey := map[string]setting{}
	for _, s := range settingsOf(reflect.ValueOf(c).Elem(), "") {
		byVariable[s.variable], byKey[s.key] = s, s
	}
	names := upstreamVariables()
	// Upstream's names come first, so that ours win.
	sorted := slices.Clone(environ)
	slices.SortStableFunc(sorted, func(a, b string) int {
		return strings.Compare(rank(a, names), rank(b, names))
	})
	for _, entry := range sorted {
		name, text, _ := strings.Cut(entry, "=")
		s, ok := byVariable[name]
		if !ok {
			if s, ok = byKey[names[name].setting]; !ok || text == "" || isInjected(text) {
				continue
			}
			if name == "SESSION_DURATION_MINUTES" {
				text += "m"
			}
		}
		if err := set(s.value, text); err != nil {
			return fault.New(fault.Invalid, "%s: %v", name, err)
		}
	}
	return nil
}

// ofDatabase are variables that the PostgreSQL driver reads and that hold
// passwords.
func ofDatabase() []string { return []string{"PGPASSWORD", "PGSSLPASSWORD"} }

// foreign are the variables that pachd does not read itself.
func foreign(environ []string) map[string]secret.Text {
	out := map[string]secret.Text{}
	names := upstreamVariables()
	for _, entry := range environ {
		name, text, _ := strings.Cut(entry, "=")
		if _, own := names[name]; !own && !strings.HasPrefix(name, "PACHD_") && !slices.Contains(ofDatabase(), name) {
			out[name] = secret.Text(text)
		}
	}
	return out
}

// ofUpstream are the variables that upstream knows.
func ofUpstream(environ []string) map[string]secret.Text {
	out := map[string]secret.Text{}
	names := upstreamVariables()
	for _, entry := range environ {
		name, text, _ := strings.Cut(entry, "=")
		if _, known := names[name]; known {
			out[name] = secret.Text(text)
		}
	}
	return out
}

func rank(entry string, upstream map[string]upstreamVariable) string {
	name, _, _ := strings.Cut(entry, "=")
	if _, ok := upstream[name]; ok {
		return "0"
	}
	return "1"
}

// set never repeats the text in its error: it may be a secret.
func set(v reflect.Value, text string) error {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("expected true or false")
		}
		v.SetBool(b)
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("expected a number")
		}
		v.SetInt(int64(n))
	default:
		return fmt.Errorf("settings of kind %s cannot come from the environment", v.Kind())
	}
	return nil
}
