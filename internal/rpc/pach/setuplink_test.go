package pach_test

import (
	"context"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	"pachyderm/api/identity"
	pb "pachyderm/api/pach"
	"pachyderm/demo/op"
	"pachyderm/demo/op/optest"
	"pachyderm/internal/pachd/pachdtest"
)

// holder is somebody who has a set-up link, and nothing else.
type holder struct {
	*env
	p      *op.Provider
	id     string
	key    string
	config map[string]any
}

// sends makes a link for a connector of a provider of the demo's people.
func (h *env) sends(ctx context.Context, req *pb.CreateSetupLinkRequest) (id, token string) {
	h.t.Helper()
	r, err := h.API.Pach.CreateSetupLink(ctx, req)
	if err != nil {
		h.t.Fatal(err)
	}
	u, err := url.Parse(r.GetUrl())
	if err != nil {
		h.t.Fatal(err)
	}
	return r.GetLink().GetId(), u.Path[strings.LastIndex(u.Path, "/")+1:]
}

func forDemo() *pb.CreateSetupLinkRequest {
	return &pb.CreateSetupLinkRequest{ConnectorId: "demo", Name: "Demo", Type: "oidc", Preset: "oidc", PrivateNetwork: true}
}

func (h *env) holder(req *pb.CreateSetupLinkRequest) *holder {
	h.t.Helper()
	id, token := h.sends(h.Root(), req)
	begun, err := h.API.Pach.BeginSetup(h.t.Context(), &pb.BeginSetupRequest{Token: token})
	if err != nil {
		h.t.Fatal(err)
	}
	p := optest.Start(h.t, h.Issuer.Callback())
	return &holder{h, p, id, begun.GetKey(), map[string]any{
		"issuer": p.Issuer, "clientID": p.ClientID, "clientSecret": p.ClientSecret, "redirectURI": h.Issuer.Callback(), "insecureEnableGroups": true,
	}}
}

func (o *holder) document(changes ...string) *structpb.Struct {
	o.t.Helper()
	s, err := structpb.NewStruct(o.config)
	if err != nil {
		o.t.Fatal(err)
	}
	for n := 0; n < len(changes); n += 2 {
		s.Fields[changes[n]] = structpb.NewStringValue(changes[n+1])
	}
	return s
}

func (o *holder) check(changes ...string) ([]*pb.CheckStep, error) {
	r, err := o.API.Pach.CheckSetup(o.t.Context(), &pb.CheckSetupRequest{Key: o.key, Config: o.document(changes...)})
	return r.GetSteps(), err
}

// begins starts a test and signs in, and ends returns what came of it.
func (o *holder) begins(who op.Person) (id string) {
	o.t.Helper()
	r, err := o.API.Pach.StartSetupTest(o.t.Context(), &pb.StartSetupTestRequest{Key: o.key, Config: o.document()})
	if err != nil {
		o.t.Fatal(err)
	}
	optest.NewBrowser(o.t, func(*url.URL) bool { return false }).SignIn(r.GetUrl(), who)
	return r.GetTestId()
}

func (o *holder) ends(id string) *pb.WaitConnectorTestResponse {
	o.t.Helper()
	r, err := o.API.Pach.WaitSetupTest(o.t.Context(), &pb.WaitSetupTestRequest{Key: o.key, TestId: id})
	if err != nil || !r.GetResult().GetDone() {
		o.t.Fatalf("%v, %v", r, err)
	}
	return r.GetResult()
}

func (o *holder) submit(changes ...string) error {
	_, err := o.API.Pach.SubmitSetup(o.t.Context(), &pb.SubmitSetupRequest{Key: o.key, Config: o.document(changes...)})
	return err
}

// shown is the link as its creator sees it.
func (o *holder) shown() *pb.GetSetupLinkResponse {
	o.t.Helper()
	r, err := o.API.Pach.GetSetupLink(o.Root(), &pb.GetSetupLinkRequest{Id: o.id})
	if err != nil {
		o.t.Fatal(err)
	}
	return r
}

func (h *env) approve(ctx context.Context, id string) error {
	_, err := h.API.Pach.ApproveSetupLink(ctx, &pb.ApproveSetupLinkRequest{Id: id})
	return err
}

// idpAdmin is somebody who may make connectors and grants no roles.
func (h *env) idpAdmin(name string) context.Context {
	h.t.Helper()
	ctx, _ := h.Robot(name, 0)
	if err := h.Bind(pachdtest.Cluster(), "robot:"+name, "idpAdmin"); err != nil {
		h.t.Fatal(err)
	}
	return ctx
}

func TestSetupLink_FromLinkToConnector(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		o := h.holder(forDemo())
		steps, err := o.check("clientSecret", "wrong")
		if err != nil || !slices.ContainsFunc(steps, func(s *pb.CheckStep) bool { return s.GetStatus() == pb.CheckStep_FAILED }) {
			t.Errorf("a wrong secret: %v, %v", steps, err)
		}
		if steps, err = o.check(); err != nil || slices.ContainsFunc(steps, func(s *pb.CheckStep) bool { return s.GetStatus() == pb.CheckStep_FAILED }) {
			t.Errorf("the right one: %v, %v", steps, err)
		}
		if s := o.shown(); s.GetTested() || len(s.GetSteps()) != len(steps) || s.GetLink().GetState() != pb.SetupLink_BEGUN {
			t.Errorf("after the check: %v", s)
		}
		r := o.ends(o.begins(optest.Alice))
		if r.GetError() != "" || r.GetUser() != "user:alice@example.com" || r.GetNote() != "" {
			t.Errorf("the test: %v", r)
		}
		if err := o.submit(); err != nil {
			t.Fatal(err)
		}
		s := o.shown()
		if !s.GetTested() || s.GetUser() != "user:alice@example.com" || !slices.Equal(s.GetGroups(), []string{"admins", "engineers"}) ||
			s.GetLink().GetState() != pb.SetupLink_SUBMITTED {
			t.Errorf("handed in: %v", s)
		}
		if secret := s.GetConnector().GetConfig().GetFields()["clientSecret"].GetStringValue(); secret != "***" {
			t.Errorf("the secret is shown: %s", secret)
		}
		if all, err := h.Issuer.Registry.Connectors(t.Context()); err != nil || len(all) != 0 {
			t.Errorf("connectors before it is approved: %v, %v", all, err)
		}
		for what, err := range map[string]error{
			"a change":     o.submit("clientID", "another"),
			"another test": func() error { _, err := o.check(); return err }(),
		} {
			pachdtest.Want(t, err, codes.FailedPrecondition, "handed in")
			_ = what
		}
		pachdtest.Want(t, h.approve(h.idpAdmin("ida"), o.id), codes.PermissionDenied, "who sent the link")
		if err := h.approve(h.Root(), o.id); err != nil {
			t.Fatal(err)
		}
		pachdtest.Want(t, h.approve(h.Root(), o.id), codes.FailedPrecondition, "has been made")
		if s := o.shown(); s.GetLink().GetState() != pb.SetupLink_APPROVED || s.GetConnector() != nil {
			t.Errorf("approved: %v", s)
		}
		if _, session := h.through("demo", optest.Alice); session == "" {
			t.Error("nobody can sign in with it")
		}
		actions := h.events(&pb.ListAuditEventsRequest{Object: "setup-link/" + o.id})
		by := " of internal:setup-link/" + o.id
		want := []string{
			"setup-link.approve of pach:root", "setup-link.submit" + by, "setup-link.test" + by, "setup-link.check" + by, "setup-link.check" + by,
			"setup-link.begin" + by, "setup-link.create of pach:root",
		}
		if diff := cmp.Diff(want, actions); diff != "" {
			t.Errorf("the audit (-want +got):\n%s", diff)
		}
	})
}

func TestSetupLink_OpensOnceAndNothingElse(t *testing.T) {
	h := open(t)
	id, token := h.sends(h.Root(), forDemo())
	// Before it is begun it shows nothing, whoever looks at it on the way.
	_, err := h.API.Pach.GetSetup(t.Context(), &pb.GetSetupRequest{Key: token})
	pachdtest.Want(t, err, codes.NotFound, "ask whoever sent it")
	begun, err := h.API.Pach.BeginSetup(t.Context(), &pb.BeginSetupRequest{Token: token})
	if err != nil || begun.GetLink().GetCreatedBy() != "" {
		t.Fatalf("%v, %v", begun, err)
	}
	for name, key := range map[string]string{"the link again": token, "the key as a link": begun.GetKey(), "none": "", "another": "ABCDEFGHIJ"} {
		if _, err := h.API.Pach.BeginSetup(t.Context(), &pb.BeginSetupRequest{Token: key}); status.Code(err) != codes.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Its key is no token of anybody.
	as := pachdtest.As(t.Context(), begun.GetKey())
	_, err = h.API.Pach.GetSetupLink(as, &pb.GetSetupLinkRequest{Id: id})
	pachdtest.Want(t, err, codes.Unauthenticated)
	_, err = h.API.Identity.ListIDPConnectors(as, &identity.ListIDPConnectorsRequest{})
	pachdtest.Want(t, err, codes.Unauthenticated)
	// Two who open it at once.
	_, token = h.sends(h.Root(), &pb.CreateSetupLinkRequest{ConnectorId: "two", Name: "Two", Type: "oidc", PrivateNetwork: true})
	opened := make(chan error)
	for range 8 {
		go func() {
			_, err := h.API.Pach.BeginSetup(t.Context(), &pb.BeginSetupRequest{Token: token})
			opened <- err
		}()
	}
	good := 0
	for range 8 {
		if err := <-opened; err == nil {
			good++
		}
	}
	if good != 1 {
		t.Errorf("it opened %d times", good)
	}
}

func TestSetupLink_Ends(t *testing.T) {
	h := open(t)
	req := forDemo()
	req.ExpiresIn = durationpb.New(time.Hour)
	o := h.holder(req)
	if err := o.submit(); err != nil {
		t.Fatal(err)
	}
	deleted := h.holder(&pb.CreateSetupLinkRequest{ConnectorId: "b", Name: "B", Type: "oidc", PrivateNetwork: true})
	h.mustCall(h.API.Pach.DeleteSetupLink(h.Root(), &pb.DeleteSetupLinkRequest{Id: deleted.id}))
	_, err := deleted.check()
	pachdtest.Want(t, err, codes.NotFound)
	h.Ahead(2 * time.Hour)
	_, err = h.API.Pach.GetSetup(t.Context(), &pb.GetSetupRequest{Key: o.key})
	pachdtest.Want(t, err, codes.NotFound, "over")
	// What was handed in in time can be approved.
	if err := h.approve(h.Root(), o.id); err != nil {
		t.Error(err)
	}
	for _, d := range []time.Duration{time.Second, 8 * 24 * time.Hour, -time.Hour} {
		req := &pb.CreateSetupLinkRequest{ConnectorId: "c", Name: "C", Type: "oidc", ExpiresIn: durationpb.New(d)}
		_, err := h.API.Pach.CreateSetupLink(h.Root(), req)
		pachdtest.Want(t, err, codes.InvalidArgument, "7 days")
	}
}

func TestSetupLink_HolderHasNoAuthority(t *testing.T) {
	h := open(t)
	ida := h.idpAdmin("ida")
	_, err := h.API.Pach.CreateSetupLink(ida, forDemo())
	pachdtest.Want(t, err, codes.PermissionDenied, "clusterAdmin")
	for name, req := range map[string]*pb.CreateSetupLinkRequest{
		"no id": {Name: "x", Type: "oidc"}, "no type": {ConnectorId: "x", Name: "x"}, "no such type": {ConnectorId: "x", Name: "x", Type: "nosuch"},
		"no name": {ConnectorId: "x", Type: "oidc"}, "an id that is none": {ConnectorId: "a/b", Name: "x", Type: "oidc"},
		"a preset with a line": {ConnectorId: "x", Name: "x", Type: "oidc", Preset: "a\nb"},
	} {
		if _, err := h.API.Pach.CreateSetupLink(ida, req); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}

	// Without private addresses nothing here is found out.
	public := forDemo()
	public.PrivateNetwork = false
	o := h.holder(public)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var connections atomic.Int64
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			_ = c.Close()
		}
	}()
	defer func() { _ = listener.Close() }()
	here := "http://" + listener.Addr().String()
	for _, issuer := range []string{here, strings.Replace(here, "127.0.0.1", "localhost", 1), "http://127.0.0.1:1"} {
		steps, err := o.check("issuer", issuer)
		if err != nil {
			t.Fatal(err)
		}
		if n := slices.IndexFunc(steps, func(s *pb.CheckStep) bool { return s.GetStatus() == pb.CheckStep_FAILED }); n < 0 || steps[n].GetName() != "tcp" {
			t.Errorf("%s: %v", issuer, steps)
		}
	}
	r, err := h.API.Pach.StartSetupTest(t.Context(), &pb.StartSetupTestRequest{Key: o.key, Config: o.document("issuer", here)})
	if err != nil {
		t.Fatal(err)
	}
	optest.NewBrowser(t, func(*url.URL) bool { return false }).Get(r.GetUrl())
	if got := o.ends(r.GetTestId()); !strings.Contains(got.GetError(), "private network") {
		t.Errorf("a test: %v", got)
	}
	if got := connections.Load(); got != 0 {
		t.Errorf("pachd connected to this machine %d times", got)
	}

	// What is stored of connectors is not the holder's, not even to be sent elsewhere.
	other := h.holder(&pb.CreateSetupLinkRequest{ConnectorId: "mine", Name: "Mine", Type: "oidc", PrivateNetwork: true})
	pachdtest.Want(t, other.submit("clientSecret", "***"), codes.InvalidArgument, "stands for a stored secret")
	pachdtest.Want(t, other.submit("clientSecret", "${env:HOME}"), codes.InvalidArgument)
	pachdtest.Want(t, other.submit("redirectURI", "https://evil.example.com/callback"), codes.InvalidArgument)
	h.connectAs("mine")
	for name, err := range map[string]error{
		"a check": func() error { _, err := other.check("clientSecret", "***"); return err }(), "to hand in": other.submit("clientSecret", "***"),
		"a test": func() error {
			_, err := h.API.Pach.StartSetupTest(t.Context(), &pb.StartSetupTestRequest{Key: other.key, Config: other.document("clientSecret", "***")})
			return err
		}(),
	} {
		if status.Code(err) != codes.FailedPrecondition {
			t.Errorf("%s of a connector that is there: %v", name, err)
		}
	}
	_, err = h.API.Pach.CreateSetupLink(h.Root(), &pb.CreateSetupLinkRequest{ConnectorId: "mine", Name: "Mine", Type: "oidc"})
	pachdtest.Want(t, err, codes.AlreadyExists)
}

// Who has an account here is none of the holder's business: their provider vouches
// for whatever address they like.
func TestSetupLink_TellsNothingOfPeople(t *testing.T) {
	h := open(t)
	h.connectAs("first")
	h.through("first", optest.Alice)
	o := h.holder(forDemo())
	for _, who := range []op.Person{optest.Alice, optest.Bob} {
		if r := o.ends(o.begins(who)); r.GetError() != "" || r.GetNote() != "" || r.GetIsLive() {
			t.Errorf("%s: %v", who.Email, r)
		}
	}
}

// A test proves the document that it was of.
func TestSetupLink_TestedIsTheVeryDocument(t *testing.T) {
	h := open(t)
	o := h.holder(forDemo())
	good := o.begins(optest.Alice)
	// Another is begun before it ends, of which nobody ever signs in.
	h.mustCall(h.API.Pach.StartSetupTest(t.Context(), &pb.StartSetupTestRequest{Key: o.key, Config: o.document("clientSecret", "wrong")}))
	o.ends(good)
	if err := o.submit("clientSecret", "wrong"); err != nil {
		t.Fatal(err)
	}
	if s := o.shown(); s.GetTested() || s.GetUser() != "" {
		t.Errorf("a document that nobody has signed in with counts as tested: %v", s)
	}
	other := h.holder(&pb.CreateSetupLinkRequest{ConnectorId: "b", Name: "B", Type: "oidc", PrivateNetwork: true})
	id := other.begins(optest.Alice)
	third := h.holder(&pb.CreateSetupLinkRequest{ConnectorId: "c", Name: "C", Type: "oidc", PrivateNetwork: true})
	_, err := h.API.Pach.WaitSetupTest(t.Context(), &pb.WaitSetupTestRequest{Key: third.key, TestId: id})
	pachdtest.Want(t, err, codes.NotFound)
}

func TestSetupLink_IsBounded(t *testing.T) {
	h := open(t)
	o := h.holder(forDemo())
	_, err := o.check("description", strings.Repeat("x", 70<<10))
	pachdtest.Want(t, err, codes.InvalidArgument, "64 KiB")
	last := error(nil)
	n := 0
	for ; last == nil && n < 300; n++ {
		h.Ahead(time.Duration(n) * time.Minute) // beyond what one network may ask for
		_, last = o.check("issuer", "x")
	}
	pachdtest.Want(t, last, codes.ResourceExhausted, "200 checks")
	h.Ahead(time.Duration(n+1) * time.Minute)
	if err := o.submit(); err != nil {
		t.Errorf("to hand in asks nobody for anything: %v", err)
	}
	for range 99 {
		h.sends(h.Root(), &pb.CreateSetupLinkRequest{ConnectorId: "x", Name: "X", Type: "oidc", ExpiresIn: durationpb.New(7 * 24 * time.Hour)})
	}
	_, err = h.API.Pach.CreateSetupLink(h.Root(), &pb.CreateSetupLinkRequest{ConnectorId: "x", Name: "X", Type: "oidc"})
	pachdtest.Want(t, err, codes.ResourceExhausted, "delete some")
}

// Whoever waits hears of the next change.
func TestSetupLink_WaitsForNews(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		o := h.holder(forDemo())
		seen := o.shown().GetLink().GetChanged()
		heard := make(chan *pb.GetSetupLinkResponse)
		go func() {
			r, _ := h.API.Pach.GetSetupLink(h.Root(), &pb.GetSetupLinkRequest{Id: o.id, Seen: seen})
			heard <- r
		}()
		if err := o.submit(); err != nil {
			t.Fatal(err)
		}
		if r := <-heard; r.GetLink().GetState() != pb.SetupLink_SUBMITTED {
			t.Errorf("heard %v", r)
		}
	})
}
