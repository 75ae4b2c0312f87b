package pach_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"pachyderm/api/auth"
	pb "pachyderm/api/pach"
	"pachyderm/demo/op"
	"pachyderm/demo/op/optest"
	"pachyderm/internal/db"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/pachd/pachdtest"
	"pachyderm/test/idp"
)

func (h *env) traces(req *pb.ListSignInTracesRequest) []*pb.SignInTrace {
	h.t.Helper()
	r, err := h.API.Pach.ListSignInTraces(h.Root(), req)
	if err != nil {
		h.t.Fatal(err)
	}
	return r.GetTraces()
}

func (h *env) trace(code string) *pb.SignInTrace {
	h.t.Helper()
	r, err := h.API.Pach.GetSignInTrace(h.Root(), &pb.GetSignInTraceRequest{Code: code})
	if err != nil {
		h.t.Fatal(err)
	}
	return r.GetTrace()
}

// fails is the page that a person sees whose sign-in is refused.
func (h *env) fails(who op.Person) optest.Page {
	h.t.Helper()
	start, err := h.API.Auth.GetOIDCLogin(h.t.Context(), &auth.GetOIDCLoginRequest{})
	if err != nil {
		h.t.Fatal(err)
	}
	return optest.NewBrowser(h.t, func(*url.URL) bool { return false }).SignIn(start.GetLoginUrl(), who)
}

var codeOf = regexp.MustCompile(`Code ([A-Z2-7]{8})`)

func TestTrace_OfASignIn(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.Connect()
		if err := h.Bind(pachdtest.Cluster(), "group:admins", "clusterAdmin"); err != nil {
			t.Fatal(err)
		}
		h.Alice()
		all := h.traces(&pb.ListSignInTracesRequest{})
		if len(all) != 1 {
			t.Fatalf("%d traces of a sign-in", len(all))
		}
		got := h.trace(strings.ToLower(all[0].GetCode()))
		if got.GetResult() != pb.SignInTrace_OK || got.GetUser() != "user:alice@example.com" || got.GetConnector() != "demo" || got.GetTest() ||
			got.GetClientId() != "pachd" || got.GetError() != "" || got.GetWithheld() {
			t.Errorf("%v", got)
		}
		if !slices.Equal(got.GetGroups(), []string{"admins", "engineers"}) || !slices.Equal(got.GetAssertedGroups().GetValues(), got.GetGroups()) ||
			!slices.Contains(got.GetRoles(), "clusterAdmin") {
			t.Errorf("groups %v, as the provider says %v, roles %v", got.GetGroups(), got.GetAssertedGroups(), got.GetRoles())
		}
		uses := map[string]string{}
		for _, c := range got.GetClaims() {
			uses[c.GetName()] = c.GetValue() + " " + c.GetUsedAs()
		}
		if uses["email"] != `"alice@example.com" e-mail address` || !strings.HasSuffix(uses["groups"], " groups") {
			t.Errorf("claims: %v", uses)
		}
		steps := fmt.Sprint(got.GetSteps())
		for _, want := range []string{"/token: 200 OK", "POST http://"} {
			if !strings.Contains(steps, want) {
				t.Errorf("%q is not among the steps: %s", want, steps)
			}
		}
		request := fmt.Sprint(got.GetRequest())
		if !strings.Contains(request, "code") || !strings.Contains(request, "bytes)") {
			t.Errorf("what the browser brought: %s", request)
		}
		// Nothing of it signs anybody in, or helps to.
		for _, secret := range []string{"eyJ", "client_secret"} {
			if strings.Contains(got.String(), secret) {
				t.Errorf("%q is in the trace: %v", secret, got)
			}
		}
	})
}

func TestTrace_OfARefusal(t *testing.T) {
	h := open(t)
	h.Connect()
	h.Alice()
	if err := h.SetEnabled("user:alice@example.com", false); err != nil {
		t.Fatal(err)
	}
	page := h.fails(optest.Alice)
	found := codeOf.FindStringSubmatch(page.Text())
	if found == nil {
		t.Fatalf("the person sees no code: %s", page.Text())
	}
	got := h.trace(found[1])
	if got.GetResult() != pb.SignInTrace_REFUSED || got.GetUser() != "user:alice@example.com" || !strings.Contains(got.GetError(), "is disabled") ||
		got.GetNext() != "ask an administrator" {
		t.Errorf("%v", got)
	}
	for name, req := range map[string]*pb.ListSignInTracesRequest{
		"by result": {Result: pb.SignInTrace_REFUSED}, "by user": {User: "user:alice@example.com", PageSize: 1}, "by connector": {Connector: "demo", PageSize: 1},
	} {
		if all := h.traces(req); len(all) != 1 || all[0].GetCode() != found[1] || len(all[0].GetClaims()) != 0 || len(all[0].GetSteps()) != 0 {
			t.Errorf("%s: %v", name, all)
		}
	}
	_, err := h.API.Pach.ListSignInTraces(h.Root(), &pb.ListSignInTracesRequest{Result: 99})
	pachdtest.Want(t, err, codes.InvalidArgument, "there is no result 99")
	_, err = h.API.Pach.ListSignInTraces(h.Root(), &pb.ListSignInTracesRequest{User: "alice"})
	pachdtest.Want(t, err, codes.InvalidArgument)
	_, err = h.API.Pach.GetSignInTrace(h.Root(), &pb.GetSignInTraceRequest{Code: "AAAAAAAA"})
	pachdtest.Want(t, err, codes.NotFound, "list-traces")
}

// An error that a browser brings is anybody's, and the provider's own words are shown
// to administrators.
func TestTrace_OfACancelledSignIn(t *testing.T) {
	h := open(t)
	h.Connect()
	start, err := h.API.Auth.GetOIDCLogin(t.Context(), &auth.GetOIDCLoginRequest{})
	if err != nil {
		t.Fatal(err)
	}
	b := optest.NewBrowser(t, func(*url.URL) bool { return false })
	b.Submit(b.Get(start.GetLoginUrl()), map[string]string{"cancel": "1"})
	all := h.traces(&pb.ListSignInTracesRequest{})
	if len(all) != 1 || all[0].GetUser() != "" || all[0].GetError() == "" {
		t.Fatalf("%v", all)
	}
	if got := h.trace(all[0].GetCode()); !strings.Contains(fmt.Sprint(got.GetRequest()), "access_denied") {
		t.Errorf("%v", got)
	}
}

func TestTrace_OfAProviderThatIsDown(t *testing.T) {
	h := open(t)
	ca := idp.NewCA(t)
	p := idp.StartTroubled(t, ca)
	err := h.Issuer.Registry.CreateConnector(t.Context(), registry.Operator(), registry.Connector{ID: "down", Name: "Down", Type: "oidc", Config: map[string]any{
		"issuer": p.Issuer, "clientID": "c", "clientSecret": "s", "redirectURI": h.Issuer.Callback(), "rootCAs": []any{string(ca.PEM)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	p.Stop()
	h.Ahead(time.Hour) // it was seen well a moment ago
	start, err := h.API.Auth.GetOIDCLogin(t.Context(), &auth.GetOIDCLoginRequest{})
	if err != nil {
		t.Fatal(err)
	}
	page := optest.NewBrowser(t, func(*url.URL) bool { return false }).Get(start.GetLoginUrl())
	all := h.traces(&pb.ListSignInTracesRequest{Result: pb.SignInTrace_UNAVAILABLE})
	if len(all) != 1 || !strings.Contains(page.Text(), all[0].GetCode()) {
		t.Fatalf("%v; the page: %s", all, page.Text())
	}
	if got := h.trace(all[0].GetCode()); !strings.Contains(got.GetDetail(), "connection refused") || strings.Contains(got.GetError(), "refused") {
		t.Errorf("%v", got)
	}
}

func TestTrace_OfAConnectorTest(t *testing.T) {
	h := open(t)
	h.Connect()
	r, _ := h.TestConnector(registry.Connector{ID: "demo"}, func(b *optest.Browser, start string) optest.Page { return b.SignIn(start, optest.Alice) })
	all := h.traces(&pb.ListSignInTracesRequest{})
	if r.Error != "" || len(all) != 1 || !all[0].GetTest() || all[0].GetResult() != pb.SignInTrace_OK || all[0].GetUser() != "user:alice@example.com" {
		t.Fatalf("%+v; %v", r, all)
	}
	if s, err := h.API.Pach.SummarizeSignIns(h.Root(), &pb.SummarizeSignInsRequest{}); err != nil || len(s.GetConnectors()) != 0 {
		t.Errorf("it is counted: %v, %v", s, err)
	}
}

// An idpAdmin chooses the address of a provider, and must not read by it what they
// cannot reach; nobody else reads traces at all.
func TestTrace_WhoReadsIt(t *testing.T) {
	h := open(t)
	h.Connect()
	h.Alice()
	code := h.traces(&pb.ListSignInTracesRequest{})[0].GetCode()
	for role, want := range map[string]struct{ reads, all bool }{
		"clusterAdmin": {true, true}, "idpAdmin": {true, false}, "oidcAppAdmin": {}, "secretAdmin": {}, "debugger": {}, "": {},
		"pachdLogReader": {}, "repoOwner": {}, "identityAdmin": {}, "licenseAdmin": {}, "projectOwner": {},
	} {
		name := strings.ToLower("robot-" + role)
		ctx, _ := h.Robot(name, 0)
		if role != "" {
			if err := h.Bind(pachdtest.Cluster(), "robot:"+name, role); err != nil {
				t.Fatal(err)
			}
		}
		r, err := h.API.Pach.GetSignInTrace(ctx, &pb.GetSignInTraceRequest{Code: code})
		_, listErr := h.API.Pach.ListSignInTraces(ctx, &pb.ListSignInTracesRequest{})
		_, sumErr := h.API.Pach.SummarizeSignIns(ctx, &pb.SummarizeSignInsRequest{})
		if !want.reads {
			for _, err := range []error{err, listErr, sumErr} {
				pachdtest.Want(t, err, codes.PermissionDenied)
			}
			continue
		}
		if err != nil || listErr != nil || sumErr != nil {
			t.Errorf("%s: %v, %v, %v", role, err, listErr, sumErr)
		}
		text := r.GetTrace().String()
		if shown := strings.Contains(text, "Anderson"); shown != want.all || r.GetTrace().GetWithheld() == want.all || (len(r.GetTrace().GetSteps()) > 0) != want.all {
			t.Errorf("%s sees %s", role, text)
		}
	}
	_, err := h.API.Pach.GetSignInTrace(t.Context(), &pb.GetSignInTraceRequest{Code: code})
	pachdtest.Want(t, err, codes.Unauthenticated)
}

func TestSummary_CountsSentAndReturned(t *testing.T) {
	h := open(t)
	h.Connect()
	h.Alice()
	start, err := h.API.Auth.GetOIDCLogin(t.Context(), &auth.GetOIDCLoginRequest{})
	if err != nil {
		t.Fatal(err)
	}
	optest.NewBrowser(t, func(*url.URL) bool { return false }).Get(start.GetLoginUrl()) // and goes away
	s, err := h.API.Pach.SummarizeSignIns(h.Root(), &pb.SummarizeSignInsRequest{})
	if err != nil || len(s.GetConnectors()) != 1 {
		t.Fatalf("%v, %v", s, err)
	}
	if c := s.GetConnectors()[0]; c.GetConnector() != "demo" || c.GetSent() != 2 || c.GetReturned() != 1 || c.GetOk() != 1 {
		t.Errorf("%v", c)
	}
}

// A stranger may write any host into a request, and each that is counted takes room.
func TestSummary_CountsNoHostsOfStrangers(t *testing.T) {
	h := open(t)
	h.Connect()
	for n := range 20 {
		start, err := h.API.Auth.GetOIDCLogin(t.Context(), &auth.GetOIDCLoginRequest{})
		h.mustCall(nil, err)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.Replace(start.GetLoginUrl(), "/auth?", "/auth/demo?pach_hop=1&", 1), nil)
		h.mustCall(nil, err)
		req.Host = fmt.Sprintf("host-%d.example.com", n)
		res, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
		h.mustCall(nil, err)
		_ = res.Body.Close()
		if res.StatusCode >= http.StatusBadRequest {
			t.Fatalf("status %d", res.StatusCode)
		}
	}
	h.mustCall(nil, h.Issuer.Traces.Flush(t.Context()))
	var rows, sent int64
	err := h.DB.View(t.Context(), func(tx *db.Tx) error {
		return tx.Row(t.Context(), []any{&rows, &sent}, `SELECT COUNT(*), CAST(SUM(sent) AS BIGINT) FROM sign_in_counts`)
	})
	if err != nil || rows != 1 || sent != 20 {
		t.Errorf("%d rows for %d, %v", rows, sent, err)
	}
}
