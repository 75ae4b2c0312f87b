package rpc_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"pachyderm/internal/pachd/pachdtest"
)

// The calls that upstream's Console makes, in the form it makes them.
func TestREST_Console(t *testing.T) {
	s := pachdtest.Start(t)
	post := func(method, token, body string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.HTTP+"/api/"+method, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if token != "" {
			r.Header.Set("authn-token", token)
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
	var document struct {
		BasePath string
		Info     struct{ Title string }
		Paths    map[string]any
	}
	if err := json.NewDecoder(res.Body).Decode(&document); err != nil {
		t.Fatal(err)
	}
	if document.BasePath != "/api" || document.Info.Title != "Pachyderm" || document.Paths["/auth_v2.API/WhoAmI"] == nil || document.Paths["/license_v2.API/Activate"] == nil {
		t.Errorf("%+v, %d paths", document.Info, len(document.Paths))
	}
}
