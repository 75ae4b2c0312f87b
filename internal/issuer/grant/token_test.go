package grant_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dexidp/dex/storage"
	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/issuer/device"
	"pachyderm/internal/people/identity"
)

// A token of one kind is never taken for one of the other.
func TestTokens_KindsAreKeptApart(t *testing.T) {
	h := open(t, dbtest.SQLite(t))
	got := h.redeem(h.code())
	header, access := claimsOf(t, got.Access)
	if header["typ"] != "at+jwt" || header["alg"] != "ES256" || header["kid"] == "" {
		t.Errorf("header of the access token: %v", header)
	}
	idHeader, id := claimsOf(t, got.ID)
	if idHeader["typ"] != nil || id["aud"] != "app" || access["aud"] != issuerURL+"/userinfo" {
		t.Errorf("ID token %v for %v, access token for %v", idHeader, id["aud"], access["aud"])
	}
	if _, err := h.VerifyIDToken(t.Context(), got.Access); err == nil {
		t.Error("an access token is an ID token")
	}
	if h.userInfo(got.ID) != http.StatusUnauthorized || h.userInfo(got.Access) != http.StatusOK {
		t.Error("UserInfo takes an ID token, or no access token")
	}
	// Each of the two marks by itself, on tokens of our own keys.
	if _, err := h.VerifyIDToken(t.Context(), h.signed("at+jwt", id)); err == nil {
		t.Error("what says it is an access token is an ID token")
	}
	for typ, want := range map[string]int{
		"at+jwt": http.StatusOK, "AT+JWT": http.StatusOK, "application/at+jwt": http.StatusOK,
		"": http.StatusUnauthorized, "JWT": http.StatusUnauthorized,
	} {
		if status := h.userInfo(h.signed(typ, access)); status != want {
			t.Errorf("UserInfo for an access token of type %q: %d", typ, status)
		}
	}
	access["aud"] = "app"
	if h.userInfo(h.signed("at+jwt", access)) != http.StatusUnauthorized {
		t.Error("UserInfo takes an access token for somebody else")
	}
}

// signed is a token with our own key.
func (h *env) signed(typ string, claims map[string]any) string {
	h.Helper()
	keys, err := h.objects.GetKeys(h.Context())
	h.must(err)
	options := &jose.SignerOptions{}
	if typ != "" {
		options = options.WithType(jose.ContentType(typ))
	}
	by, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: keys.SigningKey}, options)
	h.must(err)
	payload, err := json.Marshal(claims)
	h.must(err)
	object, err := by.Sign(payload)
	h.must(err)
	raw, err := object.CompactSerialize()
	h.must(err)
	return raw
}

func TestIDToken_Claims(t *testing.T) {
	h := open(t, dbtest.SQLite(t))
	all := func(c *storage.AuthCode) {
		c.Scopes = []string{"openid", "email", "groups", "profile", "federated:id", "audience:server:client_id:pachd"}
	}
	got := h.redeem(h.code(all))
	_, access := claimsOf(t, got.Access)
	_, id := claimsOf(t, got.ID)
	for name, claims := range map[string]map[string]any{"access": access, "ID": id} {
		for _, unguessable := range []string{"jti", "sid"} {
			if text, _ := claims[unguessable].(string); len(text) < 26 {
				t.Errorf("%s of the %s token is %q", unguessable, name, text)
			}
		}
	}
	if access["sid"] != id["sid"] || access["jti"] == id["jti"] {
		t.Error("the two are not of one grant, or have one id")
	}
	for _, name := range []string{"at_hash", "c_hash"} {
		if text, _ := id[name].(string); len(text) != 22 {
			t.Errorf("%s is %q", name, text)
		}
	}
	for _, random := range []string{"jti", "sid", "at_hash", "c_hash"} {
		delete(id, random)
		delete(access, random)
	}
	now, scope := float64(h.clock.Unix()), "openid email groups profile federated:id audience:server:client_id:pachd"
	want := map[string]any{
		"iss": issuerURL, "sub": h.alice.TokenSub, "aud": []any{"pachd", "app"}, "azp": "app", "nonce": "the-nonce", "iat": now, "exp": now + 3600,
		"auth_time": now - 60, "email": "alice@example.com", "email_verified": true, "groups": []any{"engineers"}, "name": "Alice",
		"preferred_username": "al", "federated_claims": map[string]any{"connector_id": "okta", "user_id": h.alice.ID},
	}
	if diff := cmp.Diff(want, id); diff != "" {
		t.Errorf("ID token (-want +got):\n%s", diff)
	}
	want = map[string]any{
		"iss": issuerURL, "sub": h.alice.TokenSub, "aud": issuerURL + "/userinfo", "client_id": "app", "scope": scope, "iat": now, "exp": now + 3600,
	}
	if diff := cmp.Diff(want, access); diff != "" {
		t.Errorf("access token (-want +got):\n%s", diff)
	}
	if got.Type != "bearer" || got.Expires != 3600 || got.Scope != scope {
		t.Errorf("answer %+v", got)
	}
	_, id = claimsOf(t, h.redeem(h.code(func(c *storage.AuthCode) { c.Scopes = []string{"openid"} })).ID)
	for _, name := range []string{"email", "email_verified", "groups", "name", "azp", "federated_claims"} {
		if id[name] != nil {
			t.Errorf("without its scope: %s = %v", name, id[name])
		}
	}
	if got := h.redeem(h.code(func(c *storage.AuthCode) { c.Scopes = []string{"email"} })); got.ID != "" {
		t.Error("an ID token without the scope openid")
	}
	c := h.clients["pachd"]
	c.TrustedPeers = nil
	h.clients["pachd"] = c
	h.bad("a peer that does not trust it any more", h.post("app", codeForm(h.code(all))), http.StatusBadRequest, "invalid_scope")
}

// Decision 0021: what a connector says that nobody has approved is not for other
// applications to believe.
func TestTokens_OfAnUnapprovedConnector(t *testing.T) {
	each(t, func(h *env) {
		wantNoWord := func(what string, claims map[string]any) {
			h.Helper()
			if claims["email"] != "alice@example.com" || claims["email_verified"] != false || claims["groups"] != nil {
				h.Errorf("%s: %v", what, claims)
			}
		}
		userInfo := func(raw string) map[string]any {
			h.Helper()
			r := h.request(http.MethodGet, "/userinfo", nil)
			r.Header.Set("Authorization", "Bearer "+raw)
			got := map[string]any{}
			h.must(json.Unmarshal(h.send(h.ServeUserInfo, r).Body.Bytes(), &got))
			return got
		}
		dave := h.signedInBy("dave", false) // through a document that is not approved
		his := func(c *storage.AuthCode) { c.Claims.UserID = dave.ID }
		before := h.redeem(h.code(his))
		_, claims := claimsOf(h.T, before.ID)
		wantNoWord("ID token", claims)
		wantNoWord("UserInfo", userInfo(before.Access))
		next := h.good("refreshed", h.post("app", refreshForm(before.Refresh)))
		_, claims = claimsOf(h.T, next.ID)
		wantNoWord("refreshed", claims)
		h.answer = func(c storage.Claims) (storage.Claims, error) { // approved meanwhile
			h.update(func(tx *db.Tx) error { return identity.ApproveInstance(h.Context(), tx, "instance") })
			return c, nil
		}
		next = h.good("refreshed", h.post("app", refreshForm(next.Refresh)))
		if _, claims := claimsOf(h.T, next.ID); claims["email_verified"] != true || claims["groups"] == nil {
			h.Errorf("once it is approved: %v", claims)
		}
		if claims := userInfo(before.Access); claims["email_verified"] != true || claims["groups"] == nil {
			h.Errorf("UserInfo once it is approved: %v", claims)
		}
	})
}

func TestUserInfo_ByScope(t *testing.T) {
	h := open(t, dbtest.SQLite(t))
	ask := func(raw string) map[string]any {
		t.Helper()
		r := h.request(http.MethodGet, "/userinfo", nil)
		r.Header.Set("Authorization", "bearer "+raw)
		w := h.send(h.ServeUserInfo, r)
		got := map[string]any{}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Header().Get("Cache-Control") != "no-store" {
			t.Fatalf("%d %s, %v", w.Code, w.Body, w.Header())
		}
		return got
	}
	all := h.redeem(h.code())
	want := map[string]any{"sub": h.alice.TokenSub, "email": "alice@example.com", "email_verified": true, "groups": []any{"engineers"}}
	if diff := cmp.Diff(want, ask(all.Access)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	form := refreshForm(all.Refresh)
	form.Set("scope", "openid")
	if diff := cmp.Diff(map[string]any{"sub": h.alice.TokenSub}, ask(h.good("less", h.post("app", form)).Access)); diff != "" {
		t.Errorf("with less scope (-want +got):\n%s", diff)
	}
	for name, header := range map[string]string{
		"none": "Bearer ", "made up": "Bearer x", "an opaque one": "Bearer pach_x", "cut": "Bearer " + all.Access[:len(all.Access)-4],
		"in another scheme": "Basic " + all.Access, "in no scheme": all.Access,
	} {
		r := h.request(http.MethodGet, "/userinfo", nil)
		r.Header.Set("Authorization", header)
		if w := h.send(h.ServeUserInfo, r); w.Code != http.StatusUnauthorized || !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%s: %d, %v", name, w.Code, w.Header())
		}
	}
	// Who sends none is told how, and not that one is wrong (RFC 6750, 3.1).
	if w := h.send(h.ServeUserInfo, h.request(http.MethodGet, "/userinfo", nil)); w.Header().Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("without a token: %d, %v", w.Code, w.Header())
	}
	h.later(time.Hour + time.Second)
	if h.userInfo(all.Access) != http.StatusUnauthorized {
		t.Error("an access token that has expired")
	}
}

// RFC 6749, 5.2: errors of both endpoints are JSON that nobody may keep.
func TestEndpoints_ErrorsAreJSON(t *testing.T) {
	h := open(t, dbtest.SQLite(t))
	long, many := strings.Repeat("x", 9<<10), url.Values{}
	for n := range 9 {
		many.Set("p"+strconv.Itoa(n), long[:8<<10])
	}
	for name, c := range map[string]struct {
		method string
		form   url.Values
		basic  []string
		header string
		status int
		code   string
	}{
		"GET":                      {method: http.MethodGet, status: http.StatusMethodNotAllowed, code: "invalid_request"},
		"a long parameter":         {form: url.Values{"client_id": {long}}, status: http.StatusRequestEntityTooLarge, code: "invalid_request"},
		"a long name":              {form: url.Values{long: {"x"}}, status: http.StatusRequestEntityTooLarge, code: "invalid_request"},
		"a long request":           {form: url.Values{"a": {long[:8000]}, "b": {strings.Repeat(long, 8)}}, status: http.StatusRequestEntityTooLarge, code: "invalid_request"},
		"many parameters":          {form: many, status: http.StatusRequestEntityTooLarge, code: "invalid_request"},
		"a parameter twice":        {form: url.Values{"client_id": {"app", "app"}}, status: http.StatusBadRequest, code: "invalid_request"},
		"no client":                {status: http.StatusUnauthorized, code: "invalid_client"},
		"an unknown client":        {form: url.Values{"client_id": {"nobody"}}, status: http.StatusUnauthorized, code: "invalid_client"},
		"a wrong secret":           {form: url.Values{"client_id": {"app"}, "client_secret": {"x"}}, status: http.StatusUnauthorized, code: "invalid_client"},
		"no secret":                {form: url.Values{"client_id": {"app"}}, status: http.StatusUnauthorized, code: "invalid_client"},
		"a secret of none":         {form: url.Values{"client_id": {"terminal"}, "client_secret": {"x"}}, status: http.StatusUnauthorized, code: "invalid_client"},
		"an unknown client, basic": {basic: []string{"nobody", ""}, status: http.StatusUnauthorized, code: "invalid_client"},
		"a wrong secret, basic":    {basic: []string{"app", "x"}, status: http.StatusUnauthorized, code: "invalid_client"},
		"a bad escape, basic":      {basic: []string{"app", "%"}, status: http.StatusUnauthorized, code: "invalid_client"},
		"not basic":                {header: "Bearer x", form: url.Values{"client_id": {"terminal"}}, status: http.StatusUnauthorized, code: "invalid_client"},
		"two ways": {
			basic: []string{"other", "the-secret-of-other"}, form: url.Values{"client_secret": {"the-secret-of-other"}},
			status: http.StatusBadRequest, code: "invalid_request",
		},
		"two clients": {
			basic: []string{"other", "the-secret-of-other"}, form: url.Values{"client_id": {"app"}}, status: http.StatusBadRequest, code: "invalid_request",
		},
	} {
		for path, serve := range map[string]func(http.ResponseWriter, *http.Request) error{"/token": h.ServeToken, "/device/code": h.ServeDevice} {
			method := c.method
			if method == "" {
				method = http.MethodPost
			}
			r := h.request(method, path, c.form)
			if c.basic != nil {
				r.SetBasicAuth(c.basic[0], c.basic[1])
			}
			if c.header != "" {
				r.Header.Set("Authorization", c.header)
			}
			w := h.send(serve, r)
			var got struct {
				Error       string `json:"error"`
				Description string `json:"error_description"`
			}
			err := json.Unmarshal(w.Body.Bytes(), &got)
			if err != nil || w.Code != c.status || got.Error != c.code || got.Description == "" {
				t.Errorf("%s at %s: %d %s", name, path, w.Code, w.Body)
			}
			head := w.Header()
			if head.Get("Content-Type") != "application/json" || head.Get("Cache-Control") != "no-store" || head.Get("Pragma") != "no-cache" {
				t.Errorf("%s at %s: %v", name, path, head)
			}
			wantBasic := w.Code == http.StatusUnauthorized
			if isBasic := strings.HasPrefix(head.Get("WWW-Authenticate"), "Basic "); isBasic != wantBasic {
				t.Errorf("%s at %s: WWW-Authenticate %q", name, path, head.Get("WWW-Authenticate"))
			}
		}
	}
}

// What is in the address would be in logs: it counts for nothing.
func TestToken_ParametersInTheAddress(t *testing.T) {
	h := open(t, dbtest.SQLite(t))
	form := codeForm(h.code())
	form.Set("client_id", "app")
	form.Set("client_secret", h.clients["app"].Secret)
	r := h.request(http.MethodPost, "/token?"+form.Encode(), nil)
	if w := h.send(h.ServeToken, r); w.Code != http.StatusUnauthorized {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestToken_ClientByBasic(t *testing.T) {
	h := open(t, dbtest.SQLite(t))
	r := h.request(http.MethodPost, "/token", codeForm(h.code()))
	r.SetBasicAuth("app", url.QueryEscape(h.clients["app"].Secret)) // RFC 6749, 2.3.1
	if w := h.send(h.ServeToken, r); w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	form := codeForm(h.code(func(c *storage.AuthCode) { c.ClientID = "terminal" }))
	r = h.request(http.MethodPost, "/token", form)
	r.SetBasicAuth("terminal", "")
	if w := h.send(h.ServeToken, r); w.Code != http.StatusOK {
		t.Errorf("a public client: %d %s", w.Code, w.Body)
	}
}

// There are three grants, and no other.
func TestToken_GrantsThatAreNotServed(t *testing.T) {
	h := open(t, dbtest.SQLite(t))
	access := h.redeem(h.code()).Access
	for kind, form := range map[string]url.Values{
		"password":           {"username": {"alice@example.com"}, "password": {"secret"}, "scope": {"openid"}},
		"client_credentials": {"scope": {"openid"}},
		"urn:ietf:params:oauth:grant-type:token-exchange": {
			"subject_token": {access}, "subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"}, "connector_id": {"okta"},
		},
		"urn:ietf:params:oauth:grant-type:jwt-bearer": {"assertion": {access}},
		"implicit": {},
	} {
		form.Set("grant_type", kind)
		h.bad(kind, h.post("app", form), http.StatusBadRequest, "unsupported_grant_type")
	}
	h.bad("none", h.post("app", url.Values{}), http.StatusBadRequest, "invalid_request")
}

// What the database cannot do at the moment is not said of the code.
func TestToken_DatabaseIsGone(t *testing.T) {
	h := open(t, dbtest.SQLite(t))
	form := codeForm(h.code())
	h.must(h.db.Close())
	got := h.post("app", form)
	if got.Status < 500 || got.Error != "server_error" && got.Error != "temporarily_unavailable" || strings.Contains(got.Description, "sql") {
		t.Errorf("%+v", got)
	}
}

// Whoever reads the database can redeem nothing, and learns nothing of a person.
func TestGrants_NothingInClear(t *testing.T) {
	each(t, func(h *env) {
		d, code := h.startDevice("app", nil), h.code()
		first := h.redeem(code)
		second := h.good("refreshed", h.post("app", refreshForm(first.Refresh)))
		h.approve(d, "app")
		waiting := h.startDevice("app", nil)
		stored := ""
		read := func(query string) {
			h.Helper()
			h.must(h.db.View(h.Context(), func(tx *db.Tx) error {
				return tx.Rows(h.Context(), func(scan func(...any) error) error {
					var text [7]string
					var body []byte
					err := scan(&text[0], &text[1], &text[2], &text[3], &text[4], &text[5], &text[6], &body)
					stored += strings.Join(text[:], " ") + string(body)
					return err
				}, query)
			}))
		}
		read(`SELECT id, client_id, code_hash, device_hash, family_hash, refresh_hash, previous_hash, body FROM grants`)
		if !strings.Contains(stored, "app") {
			h.Fatal("nothing was read")
		}
		h.must(h.db.View(h.Context(), func(tx *db.Tx) error {
			r, err := device.ByUserCode(h.Context(), tx, waiting.UserCode, h.clock)
			stored += r.DeviceHash
			return err
		}))
		for name, secret := range map[string]string{
			"code": code, "refresh token": first.Refresh, "its successor": second.Refresh, "family": first.Refresh[13:39], "device code": d.Code,
			"a device code that waits": waiting.Code, "address": "alice@example.com", "connector data": "data", "group": "engineers",
		} {
			if strings.Contains(stored, secret) {
				h.Errorf("the %s can be read", name)
			}
		}
	})
}
