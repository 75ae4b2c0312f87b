package api_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	_ "pachyderm/api/admin"
	"pachyderm/api/auth"
	_ "pachyderm/api/enterprise"
	_ "pachyderm/api/identity"
	_ "pachyderm/api/license"
	_ "pachyderm/api/pach"
	_ "pachyderm/api/pfs"
	_ "pachyderm/api/pps"
	_ "pachyderm/api/version"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The golden file is the contract with clients that we do not build. It changes
// by additions only, and for upstream's packages not at all.
func TestWire_Golden(t *testing.T) {
	var b strings.Builder
	for _, f := range wireFiles(t) {
		writeFile(&b, f)
	}
	const golden = "testdata/wire.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(b.String(), "\n")); diff != "" {
		t.Errorf("the wire has changed (-golden +now); if clients survive it, run the test with -update:\n%s", diff)
	}
}

func TestWire_EveryProtoIsInTheGoldenFile(t *testing.T) {
	want, err := filepath.Glob("*/*.proto")
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		want[i] = "api/" + filepath.ToSlash(want[i])
	}
	var got []string
	for _, f := range wireFiles(t) {
		got = append(got, f.Path())
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-files +imported by this test):\n%s", diff)
	}
}

func TestPermission_NumbersOfUpstream(t *testing.T) {
	d := auth.Permission_PERMISSION_UNKNOWN.Descriptor()
	if got := d.Values().Len(); got != 75 {
		t.Errorf("auth_v2.Permission has %d values, want 75", got)
	}
	for n := protoreflect.EnumNumber(100); n <= 153; n++ {
		unused := n == 106 || n == 107 || n == 108 || n == 130
		if got := d.Values().ByNumber(n) == nil; got != unused {
			t.Errorf("number %d unused: %t, want %t", n, got, unused)
		}
		if got := d.ReservedRanges().Has(n); got != unused {
			t.Errorf("number %d reserved: %t, want %t", n, got, unused)
		}
	}
}

func wireFiles(t *testing.T) []protoreflect.FileDescriptor {
	t.Helper()
	var files []protoreflect.FileDescriptor
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		if strings.HasPrefix(f.Path(), "api/") {
			files = append(files, f)
		}
		return true
	})
	slices.SortFunc(files, func(a, b protoreflect.FileDescriptor) int {
		return strings.Compare(string(a.Package()), string(b.Package()))
	})
	return files
}

func writeFile(b *strings.Builder, f protoreflect.FileDescriptor) {
	fmt.Fprintf(b, "package %s  %s\n", f.Package(), f.Path())
	for i := range f.Services().Len() {
		s := f.Services().Get(i)
		fmt.Fprintf(b, "\nservice %s\n", s.FullName())
		for j := range s.Methods().Len() {
			m := s.Methods().Get(j)
			fmt.Fprintf(b, "  /%s/%s %s%s -> %s%s\n", s.FullName(), m.Name(),
				stream(m.IsStreamingClient()), m.Input().FullName(), stream(m.IsStreamingServer()), m.Output().FullName())
		}
	}
	writeEnums(b, f.Enums())
	writeMessages(b, f.Messages())
	b.WriteString("\n")
}

func stream(yes bool) string {
	if yes {
		return "stream "
	}
	return ""
}

func writeMessages(b *strings.Builder, ms protoreflect.MessageDescriptors) {
	for i := range ms.Len() {
		m := ms.Get(i)
		if m.IsMapEntry() {
			continue
		}
		fmt.Fprintf(b, "\nmessage %s\n", m.FullName())
		for j := range m.Fields().Len() {
			f := m.Fields().Get(j)
			fmt.Fprintf(b, "  %s %d %s %s", f.Name(), f.Number(), typeOf(f), label(f))
			// Names in JSON follow from the others, except where they were chosen.
			if f.JSONName() != lowerCamel(string(f.Name())) {
				fmt.Fprintf(b, " json=%s", f.JSONName())
			}
			b.WriteString("\n")
		}
		writeEnums(b, m.Enums())
		writeMessages(b, m.Messages())
	}
}

func writeEnums(b *strings.Builder, es protoreflect.EnumDescriptors) {
	for i := range es.Len() {
		e := es.Get(i)
		fmt.Fprintf(b, "\nenum %s\n", e.FullName())
		for j := range e.Values().Len() {
			v := e.Values().Get(j)
			fmt.Fprintf(b, "  %s = %d\n", v.Name(), v.Number())
		}
	}
}

func typeOf(f protoreflect.FieldDescriptor) string {
	switch {
	case f.IsMap():
		return fmt.Sprintf("map<%s,%s>", typeOf(f.MapKey()), typeOf(f.MapValue()))
	case f.Message() != nil:
		return string(f.Message().FullName())
	case f.Enum() != nil:
		return string(f.Enum().FullName())
	default:
		return f.Kind().String()
	}
}

func label(f protoreflect.FieldDescriptor) string {
	switch {
	case f.IsMap():
		return "map"
	case f.IsList():
		return "repeated"
	case f.ContainingOneof() != nil:
		return "oneof:" + string(f.ContainingOneof().Name())
	default:
		return "single"
	}
}

func lowerCamel(s string) string {
	parts := strings.Split(s, "_")
	for i, p := range parts[1:] {
		parts[i+1] = strings.ToUpper(p[:1]) + p[1:]
	}
	return strings.Join(parts, "")
}
