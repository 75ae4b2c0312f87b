package rpc_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"

	"pachyderm/api"
	authpb "pachyderm/api/auth"
	"pachyderm/internal/pachd/pachdtest"
)

// post calls a method over REST, with names and values of headers where a value is not
// empty, and returns the status and the compact body.
func post(t *testing.T, s *pachdtest.Server, method, body string, headers ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.HTTP+"/api/"+method, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for pair := range slices.Chunk(headers, 2) {
		if pair[1] != "" {
			r.Header.Set(pair[0], pair[1])
		}
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, data); err != nil {
		t.Fatalf("%s: %v: %s", method, err, data)
	}
	return res.StatusCode, compact.String()
}

// The calls that upstream's Console makes, in the form it makes them.
func TestREST_Console(t *testing.T) {
	s := pachdtest.Start(t)
	post := func(method, token, body string) (int, string) {
		t.Helper()
		return post(t, s, method, body, "authn-token", token)
	}
	for name, c := range map[string]struct {
		method, token, body string
		status              int
		want                []string
	}{
		"the version, with no body":            {"versionpb_v2.API/GetVersion", "", "", 200, []string{`"major":2`}},
		"the cluster":                          {"admin_v2.API/InspectCluster", "", `{"clientVersion":{}}`, 200, []string{`"warningsOk":true`}},
		"who am I, before a login":             {"auth_v2.API/WhoAmI", "", "{}", 401, []string{`"code":16`, "no authentication token"}},
		"who am I, with a wrong token":         {"auth_v2.API/WhoAmI", "wrong", "{}", 401, []string{`"code":16`}},
		"who am I":                             {"auth_v2.API/WhoAmI", s.RootToken, "{}", 200, []string{`"username":"pach:root"`}},
		"a denied permission, false and all":   {"auth_v2.API/Authorize", s.RootToken, `{"resource":{"type":"CLUSTER"},"permissions":["CLUSTER_DEBUG_DUMP"]}`, 200, []string{`"authorized":true`, `"missing":[]`}},
		"unknown fields are no reason to fail": {"auth_v2.API/WhoAmI", s.RootToken, `{"later":1}`, 200, []string{"pach:root"}},
		"an unknown method":                    {"auth_v2.API/NoSuch", s.RootToken, "{}", 404, nil},
		"what needs a right, without a token":  {"auth_v2.API/GetRobotToken", "", `{"robot":"x"}`, 401, nil},
		"a login with a bad token":             {"auth_v2.API/Authenticate", "", `{"idToken":"x"}`, 401, []string{"could not verify token"}},
	} {
		status, body := post(c.method, c.token, c.body)
		if status != c.status {
			t.Errorf("%s: status %d: %s", name, status, body)
		}
		for _, want := range c.want {
			if !strings.Contains(body, want) {
				t.Errorf("%s: no %s in %s", name, want, body)
			}
		}
	}
	// Console takes an answer without "authorized" for "authentication is off".
	_, robot := post("auth_v2.API/GetRobotToken", s.RootToken, `{"robot":"ci"}`)
	var answer struct{ Token string }
	if err := json.Unmarshal([]byte(robot), &answer); err != nil {
		t.Fatal(err)
	}
	_, body := post("auth_v2.API/Authorize", answer.Token, `{"resource":{"type":"CLUSTER"},"permissions":["CLUSTER_DEBUG_DUMP"]}`)
	if !strings.Contains(body, `"authorized":false`) {
		t.Errorf("a denial over REST: %s", body)
	}
}

// A misspelt field would be an absent one, and that would be an order.
func TestREST_UnknownFieldsAreRefusedWhereSomethingChanges(t *testing.T) {
	s := pachdtest.Start(t)
	if err := s.Bind(pachdtest.Project("default"), "user:alice@example.com", "projectOwner"); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ method, body, says, field string }{
		"roles": {
			"auth_v2.API/ModifyRoleBinding", `{"resource":{"type":"PROJECT","name":"default"},"principal":"user:alice@example.com","role":["x"]}`,
			"did you mean roles?", "role",
		},
		"a field of a field": {
			"auth_v2.API/ModifyRoleBinding", `{"resource":{"type":"PROJECT","nam":"default"},"principal":"user:alice@example.com","roles":[]}`,
			"did you mean name?", "resource.nam",
		},
		"a time to live":        {"auth_v2.API/GetRobotToken", `{"robot":"ci","tll":"5"}`, "did you mean ttl?", "tll"},
		"a switch":              {"pach_v1.API/SetUserEnabled", `{"user":"user:alice@example.com","enable":true}`, "did you mean enabled?", "enable"},
		"something else":        {"auth_v2.API/GetRobotToken", `{"robot":"ci","zzzzzzzz":1}`, "unknown key; known are robot, ttl", "zzzzzzzz"},
		"before something else": {"auth_v2.API/GetRobotToken", `{"robot":"ci","tll":"5"} {}`, "the request is not JSON", "reason"},
		"in a list": {
			"identity_v2.API/CreateOIDCClient", `{"client":{"id":"x","name":"x","redirectUri":["http://127.0.0.1/"]}}`,
			"did you mean redirectUris?", "client.redirectUri",
		},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := post(t, s, c.method, c.body, "authn-token", s.RootToken)
			if status != http.StatusBadRequest || !strings.Contains(body, c.says) || !strings.Contains(body, `"`+c.field+`"`) {
				t.Errorf("%d: %s", status, body)
			}
		})
	}
	binding, err := s.API.Auth.GetRoleBinding(s.Root(), &authpb.GetRoleBindingRequest{Resource: pachdtest.Project("default")})
	if err != nil || !binding.GetBinding().GetEntries()["user:alice@example.com"].GetRoles()["projectOwner"] {
		t.Errorf("what was refused has changed something: %v, %v", binding, err)
	}
	// Configurations are free in their form, and names as in the .proto are names too.
	for method, body := range map[string]string{
		"identity_v2.API/CreateOIDCClient":   `{"client":{"id":"x","name":"x","redirect_uris":["http://127.0.0.1/"]}}`,
		"identity_v2.API/CreateIDPConnector": `{"connector":{"id":"m","name":"m","type":"mockPassword","config":{"username":"u","password":"p"}}}`,
	} {
		if status, said := post(t, s, method, body, "authn-token", s.RootToken); status != http.StatusOK {
			t.Errorf("%s: %d: %s", method, status, said)
		}
	}
}

func TestREST_OpenAPI(t *testing.T) {
	s := pachdtest.Start(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.HTTP+"/api/openapi.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	for _, name := range []string{"Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "Cache-Control"} {
		if res.Header.Get(name) == "" {
			t.Errorf("there is no header %s", name)
		}
	}
	var document struct {
		BasePath string
		Info     struct{ Title string }
		Paths    map[string]any

		SecurityDefinitions map[string]struct{ Name string }
	}
	if err := json.NewDecoder(res.Body).Decode(&document); err != nil {
		t.Fatal(err)
	}
	if document.BasePath != "/api" || document.Info.Title != "Pachyderm" || document.Paths["/auth_v2.API/WhoAmI"] == nil || document.Paths["/license_v2.API/Activate"] == nil {
		t.Errorf("%+v, %d paths", document.Info, len(document.Paths))
	}
	if name := document.SecurityDefinitions["token"].Name; name != "Authorization" {
		t.Errorf("the token is sent as %q", name)
	}
}

func TestREST_BearerToken(t *testing.T) {
	s := pachdtest.Start(t)
	for name, c := range map[string]struct {
		authorization, token string
		status               int
		says                 string
	}{
		"bearer":                         {"Bearer " + s.RootToken, "", 200, "pach:root"},
		"in other letters":               {"bearer  " + s.RootToken, "", 200, "pach:root"},
		"a wrong one":                    {"Bearer wrong", "", 401, "corrupted or has expired"},
		"none":                           {"Bearer", "", 401, "no authentication token"},
		"of another scheme":              {"Basic " + s.RootToken, "", 401, "no authentication token"},
		"a JWT, which a proxy put there": {"Bearer a.b.c", "", 401, "no authentication token"},
		"beside ours":                    {"Bearer wrong", s.RootToken, 200, "pach:root"},
	} {
		status, body := post(t, s, "auth_v2.API/WhoAmI", "{}", "Authorization", c.authorization, "authn-token", c.token)
		if status != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d, %s", name, status, body)
		}
	}
}

// A stranger may send little, also of what would become much once it is decompressed,
// and also after many calls that sent nothing; whoever has shown a token, more.
func TestRequest_TooLarge(t *testing.T) {
	s := pachdtest.Start(t)
	fresh := func() authpb.APIClient {
		conn, err := grpc.NewClient(s.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return authpb.NewAPIClient(conn)
	}
	sized := func(n int) *authpb.GetRobotTokenRequest {
		return &authpb.GetRobotTokenRequest{Robot: strings.Repeat("x", n)}
	}
	for name, opts := range map[string][]grpc.CallOption{"plain": nil, "compressed": {grpc.UseCompressor(gzip.Name)}} {
		refused := codes.Unavailable
		if opts != nil {
			refused = codes.Unauthenticated // once it is decompressed, which is bounded for all together
		}
		if _, err := fresh().GetRobotToken(t.Context(), sized(3<<20), opts...); status.Code(err) != refused {
			t.Errorf("%s, of a stranger: %v", name, err)
		}
		known := fresh()
		if _, err := known.GetRobotToken(s.Root(), sized(10), opts...); err != nil {
			t.Errorf("%s, small: %v", name, err)
		}
		if _, err := known.GetRobotToken(s.Root(), sized(3<<20), opts...); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s, of one with a token: %v", name, err)
		}
		_, err := known.GetRobotToken(s.Root(), sized(api.MaxBytes), opts...)
		if code := status.Code(err); code != codes.ResourceExhausted && (opts == nil || !strings.Contains(err.Error(), "send it uncompressed")) {
			t.Errorf("%s, too large for anybody: %v", name, err)
		}
	}
	patient := fresh()
	for range 50 {
		if _, err := patient.WhoAmI(t.Context(), &authpb.WhoAmIRequest{}); status.Code(err) != codes.Unauthenticated {
			t.Fatal(err)
		}
	}
	if _, err := patient.GetRobotToken(t.Context(), sized(3<<20)); status.Code(err) != codes.Unavailable {
		t.Errorf("of a stranger after many calls: %v", err)
	}
	big := sized(api.MaxRequest)
	code, body := post(t, s, "auth_v2.API/GetRobotToken", `{"robot":"`+big.GetRobot()+`"}`)
	if code != http.StatusBadRequest || !strings.Contains(body, "or is larger than is accepted") {
		t.Errorf("by REST: %d: %s", code, body)
	}
}
