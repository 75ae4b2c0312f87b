package pfs_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	pb "pachyderm/api/pfs"
	"pachyderm/internal/pachd/pachdtest"
)

// guesser makes requests whose names are those of what is hidden, and of what is not.
type guesser struct {
	*rand.Rand

	texts []string
}

func (g guesser) fill(m protoreflect.Message, deep int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if one := f.ContainingOneof(); one != nil && m.WhichOneof(one) == nil {
			f = one.Fields().Get(g.IntN(one.Fields().Len()))
		} else if one != nil {
			continue
		}
		if deep > 9 || f.IsMap() || f.ContainingOneof() == nil && g.IntN(10) < 1 {
			continue
		}
		if f.IsList() {
			list := m.Mutable(f).List()
			for range g.IntN(3) {
				if f.Message() != nil {
					g.fill(list.AppendMutable().Message(), deep+1)
				} else {
					list.Append(g.value(f))
				}
			}
			continue
		}
		if f.Message() != nil {
			g.fill(m.Mutable(f).Message(), deep+1)
			continue
		}
		m.Set(f, g.value(f))
	}
}

func (g guesser) value(f protoreflect.FieldDescriptor) protoreflect.Value {
	switch f.Kind() { //nolint:exhaustive // the rest are numbers
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(g.IntN(2) == 0)
	case protoreflect.StringKind:
		of := string(f.Parent().Name())
		switch name := f.Name(); {
		case name == "name" && strings.Contains(of, "Project"):
			return protoreflect.ValueOfString([]string{"secret", "secret", "default"}[g.IntN(3)])
		case name == "name" && strings.Contains(of, "Repo"):
			return protoreflect.ValueOfString([]string{"vault", "vault", "own"}[g.IntN(3)])
		case name == "name" && strings.Contains(of, "Branch"):
			return protoreflect.ValueOfString([]string{"master", "master", "made"}[g.IntN(3)])
		case name == "type":
			return protoreflect.ValueOfString([]string{"user", "user", "user", "meta", "spec"}[g.IntN(5)])
		case strings.Contains("path file_path dst pattern", string(name)):
			return protoreflect.ValueOfString([]string{"/a", "/", "/*"}[g.IntN(3)])
		}
		return protoreflect.ValueOfString(g.texts[g.IntN(len(g.texts))])
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte("x"))
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(g.IntN(3)))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind:
		return protoreflect.ValueOfInt32(int32(g.IntN(3)))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind:
		return protoreflect.ValueOfInt64(int64(g.IntN(3)))
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(g.IntN(3)))
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(uint64(g.IntN(3)))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(1)
	default:
		return f.Default()
	}
}

// ask makes one call with one or some messages, and gives all that was answered.
func ask(ctx context.Context, conn *grpc.ClientConn, m protoreflect.MethodDescriptor, requests []proto.Message) string {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	name := fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name())
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, name)
	if err != nil {
		return err.Error()
	}
	for _, r := range requests {
		_ = stream.SendMsg(r) // the answer says what was wrong
	}
	_ = stream.CloseSend()
	var said strings.Builder
	for range 50 {
		answer := dynamicpb.NewMessage(m.Output())
		if err := stream.RecvMsg(answer); err != nil {
			said.WriteString(err.Error())
			break
		}
		said.WriteString(answer.String())
	}
	return said.String()
}

// Whoever may write to one repository, and nothing else, hears nothing of others and
// changes nothing there, whatever they ask for. Requests are made by chance, from names
// and ids that they should not know.
func TestData_NeighbourHearsNothing(t *testing.T) {
	s := pachdtest.Start(t)
	c, root := s.API.PFS, s.Root()
	secret := &pb.Project{Name: "secret"}
	if _, err := c.CreateProject(root, &pb.CreateProjectRequest{Project: secret}); err != nil {
		t.Fatal(err)
	}
	hidden := &pb.Repo{Project: secret, Name: "vault", Type: "user"}
	for _, r := range []*pb.Repo{repo("own"), hidden} {
		said := ""
		if r == hidden {
			said = "canary"
		}
		if _, err := c.CreateRepo(root, &pb.CreateRepoRequest{Repo: r, Description: said}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.CreateBranch(root, &pb.CreateBranchRequest{
		Branch: &pb.Branch{Repo: hidden, Name: "made"}, Provenance: []*pb.Branch{branch("own", "master")},
	}); err != nil {
		t.Fatal(err)
	}
	canary := &pb.Commit{Repo: hidden, Branch: &pb.Branch{Repo: hidden, Name: "canary"}}
	for _, to := range []*pb.Commit{master(hidden), canary} {
		if err := modify(root, c, to, add("/a", "canary"), add("/canary", "x")); err != nil {
			t.Fatal(err)
		}
	}
	id := func(of *pb.Commit) string {
		one, err := c.InspectCommit(root, &pb.InspectCommitRequest{Commit: of})
		if err != nil {
			t.Fatal(err)
		}
		return one.GetCommit().GetId()
	}
	ids := []string{id(master(hidden)), id(&pb.Commit{Repo: hidden, Branch: &pb.Branch{Repo: hidden, Name: "made"}})}
	state := func() string {
		branches, err := all(c.ListBranch(root, &pb.ListBranchRequest{Repo: hidden}))
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.InspectRepo(root, &pb.InspectRepoRequest{Repo: hidden})
		if err != nil {
			t.Fatal(err)
		}
		p, err := c.InspectProject(root, &pb.InspectProjectRequest{Project: secret})
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range branches {
			if b.GetBranch().GetName() == "made" { // which follows what the writer may write to
				proto.Reset(b)
			}
		}
		return fmt.Sprint(branches, r, p, ids[0] == id(master(hidden)))
	}
	never := []string{"canary", id(canary)} // which nobody asks for
	before := state()
	if err := s.Bind(pachdtest.Repo("default/own"), "robot:writer", "repoWriter"); err != nil {
		t.Fatal(err)
	}
	writer, _ := s.Robot("writer", 0)
	g := guesser{rand.New(rand.NewPCG(1, 2)), append([]string{"secret", "vault", "made", "master", "own", "own", "default"}, ids...)}
	asked := 0
	for _, service := range []protoreflect.FullName{"pfs_v2.API", "transaction_v2.API", "metadata.API", "data_v1.API"} {
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(service)
		if err != nil {
			t.Fatal(err)
		}
		methods := d.(protoreflect.ServiceDescriptor).Methods() //nolint:forcetypeassert // or it panics
		for i := range methods.Len() {
			m := methods.Get(i)
			times := 150
			switch m.Name() {
			case "SubscribeCommit": // which waits
				times = 2
			case "EditMetadata", "PreviewRemoval", "BatchTransaction": // which need much to be right
				times = 600
			}
			for range times {
				var requests []proto.Message
				for n := range 1 + g.IntN(2) {
					if n > 0 && !m.IsStreamingClient() {
						break
					}
					r := dynamicpb.NewMessage(m.Input())
					g.fill(r, 0)
					requests = append(requests, r)
				}
				asked++
				said := ask(writer, s.Conn, m, requests)
				for _, word := range never {
					if strings.Contains(said, word) {
						t.Errorf("%s tells what is hidden:\n%s\nto %v", m.FullName(), said, requests)
					}
				}
			}
		}
	}
	if after := state(); after != before {
		t.Errorf("after %d calls it has changed:\n%s\n%s", asked, before, after)
	}
}
