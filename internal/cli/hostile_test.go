package cli

import (
	"cmp"
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"pachyderm/internal/cli/kit"
)

// hostile writes the clipboard, clears the screen, turns text round, hides what follows,
// and begins a line.
const hostile = "Okta\x1b]52;c;cm0gLXJmIH4K\x07\x1b[2J\u009b8m\u202e\u2066\u200b\u2028\r\nforged: ready\nforged\tx"

// strangersServer says hostile wherever an answer has a text, whatever it is asked.
type strangersServer struct{}

func (strangersServer) answer(_ any, stream grpc.ServerStream) error {
	name, _ := grpc.MethodFromServerStream(stream)
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(strings.ReplaceAll(name[1:], "/", ".")))
	if err != nil {
		return status.Error(codes.Unimplemented, hostile)
	}
	method := found.(protoreflect.MethodDescriptor)
	for more := true; more && err == nil; more = method.IsStreamingClient() && !method.IsStreamingServer() {
		err = stream.RecvMsg(dynamicpb.NewMessage(method.Input()))
	}
	return stream.SendMsg(filled(method.Output(), 6))
}

// filled is a message with something in each field, as deep as that.
func filled(d protoreflect.MessageDescriptor, deep int) proto.Message {
	m := dynamicpb.NewMessage(d)
	for n := range d.Fields().Len() {
		f := d.Fields().Get(n)
		switch {
		case f.Name() == "next_page_token" || f.Message() != nil && deep == 0:
		case f.IsMap():
			key := protoreflect.ValueOfString(hostile)
			if f.MapKey().Kind() == protoreflect.StringKind {
				m.Mutable(f).Map().Set(key.MapKey(), value(f.MapValue(), deep-1))
			}
		case f.IsList():
			m.Mutable(f).List().Append(value(f, deep-1))
		default:
			m.Set(f, value(f, deep-1))
		}
	}
	return m
}

func value(f protoreflect.FieldDescriptor, deep int) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(hostile)
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(hostile))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(1)
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return protoreflect.ValueOfMessage(filled(f.Message(), max(deep, 0)).ProtoReflect())
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(1)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(1)
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(1)
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(1)
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(1)
	}
	return protoreflect.ValueOfInt64(1)
}

// dialStrangers starts the server and gives what runs a command of pachctl that was just
// connected with it: some keep what they are told.
func dialStrangers(t *testing.T) func(args ...string) (printed, noted string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnknownServiceHandler(strangersServer{}.answer))
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	vars := map[string]string{"HOME": t.TempDir()}
	run := func(args ...string) (printed, noted string) {
		var out, side strings.Builder
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		Main(ctx, args, &kit.Kit{
			Stdin: strings.NewReader("y\n"), Stdout: &out, Stderr: &side, Getenv: func(name string) string { return vars[name] }, Now: time.Now,
		})
		return out.String(), side.String()
	}
	return func(args ...string) (printed, noted string) {
		vars["PACH_CONFIG"] = filepath.Join(t.TempDir(), "config.json")
		run("connect", "grpc://"+l.Addr().String())
		return run(args...)
	}
}

// commandLines are all examples that the help has, and those with -o, without what is no
// text for people: the bytes of files, and scripts for shells.
func commandLines() (all [][]string) {
	everyCommand(newRoot(testKit()), func(c *cobra.Command) {
		if c.HasSubCommands() || strings.HasPrefix(c.CommandPath(), "pachctl get file") || c.Name() == "login" || c.Parent().Name() == "completion" {
			return
		}
		for line := range strings.SplitSeq(c.Example, "\n") {
			_, line, _ = strings.Cut(line, "pachctl ")
			line, _, _ = strings.Cut(line, " <")
			args := strings.Fields(line)
			all = append(all, args)
			if c.Flags().Lookup("output") != nil {
				all = append(all, append([]string{}, append(args, "-o", "json")...), append([]string{}, append(args, "-o", "yaml")...))
			}
		}
	})
	return all
}

func isHidden(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsGraphic(r) }

func TestMain_StrangersServerSteersNoTerminal(t *testing.T) {
	t.Chdir(t.TempDir()) // some examples write files
	run := dialStrangers(t)
	shown := 0
	for _, args := range append(commandLines(), []string{"__complete", "inspect", "repo", ""}, []string{"__complete", "inspect", "branch", "images@"}) {
		printed, noted := run(args...)
		if strings.Contains(printed, "Okta") {
			shown++
		}
		said := printed + "\n" + noted
		if strings.ContainsFunc(said, isHidden) || strings.Contains(said, "\nforged") {
			t.Errorf("pachctl %s prints %q", strings.Join(args, " "), said)
		}
	}
	if shown < 100 {
		t.Errorf("only %d commands have printed what the server says", shown)
	}
}

// What pachctl prints as a document means the same, whatever had to be escaped in it.
func TestMain_DocumentsReadBackEqual(t *testing.T) {
	run := dialStrangers(t)
	for _, args := range [][]string{
		{"auth", "get-config"},
		{"idp", "get-config"},
		{"idp", "get-config", "-o", "yaml"},
		{"idp", "get-config", "-o", "json"},
		{"idp", "setup-link", "get", "x"},
		{"inspect", "repo", "images", "--raw"},
	} {
		printed, _ := run(args...)
		var doc map[string]any
		if err := yaml.Unmarshal([]byte(printed), &doc); err != nil {
			t.Errorf("%v: %v", args, err)
		}
		if got := cmp.Or(doc["issuer"], doc["id"], doc["description"]); got != hostile {
			t.Errorf("%v: %q", args, got)
		}
	}
}
