package edit_test

import (
	"context"
	"errors"
	"testing"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"pachyderm/api/data"
	"pachyderm/api/pfs"
	"pachyderm/internal/people/session"
	"pachyderm/internal/people/token"
	"pachyderm/internal/principal"
	"pachyderm/internal/rpc/codec"
	"pachyderm/internal/rpc/pfs/edit"
)

// Whoever comes to have a name that was somebody's, such as after pachctl idp rename,
// is another owner; and who keeps their identity under another name is the same one.
func TestOwner_IsTheIdentityAndNotTheName(t *testing.T) {
	owner := func(name principal.Name, identity, unapproved string) string {
		c := session.Caller{Name: name, Token: token.Info{IdentityID: identity}, Unapproved: unapproved}
		return edit.Owner(session.NewContext(t.Context(), c)).Owner
	}
	ada := owner("user:ada@example.com", "1", "")
	for name, other := range map[string]string{
		"of the same name": owner("user:ada@example.com", "2", ""), "without identity": owner("user:ada@example.com", "", ""),
		"a robot of that name": owner("robot:1", "", ""), "by the word of nobody": owner("user:ada@example.com", "3", "new"),
	} {
		if other == ada {
			t.Errorf("somebody else %s is the owner too: %s", name, other)
		}
	}
	if renamed := owner("user:ada@example.org", "1", ""); renamed != ada {
		t.Errorf("with another name it is %s, not %s", renamed, ada)
	}
}

func TestIsInternal(t *testing.T) {
	for name, want := range map[principal.Name]bool{
		principal.Root: true, principal.AuthServer: true, "internal:pps": true, "user:ada@example.com": false, "robot:internal": false,
		"pipeline:default/edges": false, "group:pach:root": false, "": false,
	} {
		if got := edit.IsInternal(session.Caller{Name: name}); got != want {
			t.Errorf("%s: %v", name, got)
		}
		if edit.IsInternal(session.Caller{Name: name, Unapproved: "new"}) {
			t.Errorf("%s by the word of a connector that nobody has approved", name)
		}
	}
	if c := session.FromContext(session.Unguarded(t.Context())); !edit.IsInternal(c) {
		t.Error("authentication is off, and nobody may do everything")
	}
}

// What has been received of somebody who is gone is not worked off: there is no session
// here that it could be written to.
func TestModifyMany_EndsWhereItsSenderIsGone(t *testing.T) {
	remove := &pfs.ModifyFileRequest{Body: &pfs.ModifyFileRequest_DeleteFile{DeleteFile: &pfs.DeleteFile{Path: "/a"}}}
	message, err := proto.Marshal(&data.ModifyFilesRequest{Changes: []*pfs.ModifyFileRequest{remove, remove}})
	if err != nil {
		t.Fatal(err)
	}
	var b codec.Batch
	if err := codec.NewCodec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(message)}, &b); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := edit.Changes(&edit.Edits{}, ctx, nil, &b, &codec.Message{}); !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v", err)
	}
}
