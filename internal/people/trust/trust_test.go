package trust_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/audit"
	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/trust"
	"pachyderm/internal/principal"
)

const own = "https://pach.example.com/dex"

// github is a trust as an administrator means it.
func github() trust.Trust {
	return trust.Trust{
		ID: "ci", Issuer: "https://token.actions.githubusercontent.com", Audience: own, Robot: "robot:ci",
		Claims: map[string]string{"repository": "acme/genomics", "ref": "refs/heads/*"}, TTL: time.Hour,
	}
}

func TestCheck(t *testing.T) {
	claims := func(pairs ...string) func(*trust.Trust) {
		return func(t *trust.Trust) {
			t.Claims = map[string]string{}
			for n := 0; n < len(pairs); n += 2 {
				t.Claims[pairs[n]] = pairs[n+1]
			}
		}
	}
	elsewhere := func(pairs ...string) func(*trust.Trust) {
		return func(t *trust.Trust) {
			claims(pairs...)(t)
			t.Issuer = "https://ci.example.com"
		}
	}
	gitlab := func(pairs ...string) func(*trust.Trust) {
		return func(t *trust.Trust) {
			claims(pairs...)(t)
			t.Issuer = "https://gitlab.com"
		}
	}
	for name, c := range map[string]struct {
		change func(*trust.Trust)
		field  string // that is refused; "" for none
	}{
		"as it is":                       {func(*trust.Trust) {}, ""},
		"no id":                          {func(t *trust.Trust) { t.ID = "" }, "id"},
		"a path for id":                  {func(t *trust.Trust) { t.ID = "../x" }, "id"},
		"a grant's id":                   {func(t *trust.Trust) { t.ID = "trust:x" }, "id"},
		"no issuer":                      {func(t *trust.Trust) { t.Issuer = "" }, "issuer"},
		"plain http":                     {func(t *trust.Trust) { t.Issuer = "http://ci.example.com" }, "issuer"},
		"an issuer with a user":          {func(t *trust.Trust) { t.Issuer = "https://a:b@ci.example.com" }, "issuer"},
		"an issuer with a query":         {func(t *trust.Trust) { t.Issuer = "https://ci.example.com?x" }, "issuer"},
		"ourselves":                      {func(t *trust.Trust) { t.Issuer = own }, "issuer"},
		"ourselves, with a slash":        {func(t *trust.Trust) { t.Issuer = own + "/" }, "issuer"},
		"no audience":                    {func(t *trust.Trust) { t.Audience = "" }, "audience"},
		"the API server's":               {func(t *trust.Trust) { t.Audience = "https://kubernetes.default.svc.cluster.local" }, "audience"},
		"no time":                        {func(t *trust.Trust) { t.TTL = 0 }, ""},
		"a moment":                       {func(t *trust.Trust) { t.TTL = time.Second }, "ttl"},
		"more than an hour":              {func(t *trust.Trust) { t.TTL = time.Hour + time.Second }, "ttl"},
		"a negative time":                {func(t *trust.Trust) { t.TTL = -time.Hour }, "ttl"},
		"long keys":                      {func(t *trust.Trust) { t.JWKS = strings.Repeat("x", 64<<10+1) }, "jwks"},
		"no claims":                      {claims(), "claims"},
		"the issuer twice":               {claims("iss", "x", "repository", "acme/genomics"), "claims.iss"},
		"an empty claim":                 {elsewhere("sub", ""), "claims.sub"},
		"any value":                      {elsewhere("sub", "*"), "claims.sub"},
		"a * in the middle":              {elsewhere("sub", "a*c"), "claims.sub"},
		"two of them":                    {elsewhere("sub", "a**"), "claims.sub"},
		"another issuer, any claim":      {elsewhere("pipeline", "7"), ""},
		"GitHub, nobody's":               {claims("ref", "refs/heads/main"), "claims"},
		"GitHub, neighbours of acme":     {claims("repository", "acme*"), "claims"},
		"GitHub, all of acme":            {claims("repository", "acme/*"), ""},
		"GitHub, owners like acme":       {claims("repository_owner", "acme*"), "claims"},
		"GitHub, an owner":               {claims("repository_owner", "acme"), ""},
		"GitHub, a subject":              {claims("sub", "repo:acme/*"), ""},
		"GitHub, subjects like acme's":   {claims("sub", "repo:acme*"), "claims"},
		"GitLab, nobody's":               {gitlab("ref", "main"), "claims"},
		"GitLab, a project":              {gitlab("project_path", "acme/genomics"), ""},
		"GitLab, a subject of a project": {gitlab("sub", "project_path:acme/genomics:*"), ""},
		"GitLab, groups like acme":       {gitlab("namespace_path", "acme*"), "claims"},
	} {
		given := github()
		c.change(&given)
		err := given.Check(own, false)
		if c.field == "" && err != nil || c.field != "" && (!fault.Is(err, fault.Invalid) || fault.FieldOf(err) != c.field) {
			t.Errorf("%s: %v at %q, want %q", name, err, fault.FieldOf(err), c.field)
		}
	}
	given := github()
	given.TTL = 0
	if err := given.Check(own, false); err != nil || given.TTL != time.Hour {
		t.Errorf("without a time: %v, %v", given.TTL, err)
	}
}

func TestMatch(t *testing.T) {
	token := func() trust.Claims {
		return trust.Claims{
			"iss": "https://token.actions.githubusercontent.com", "aud": own, "repository": "acme/genomics", "ref": "refs/heads/main",
		}
	}
	for name, c := range map[string]struct {
		change  func(trust.Claims)
		refused string // part of the reason; "" for a match
	}{
		"as it is":                    {func(trust.Claims) {}, ""},
		"for several":                 {func(c trust.Claims) { c["aud"] = []any{"x", own} }, ""},
		"for another":                 {func(c trust.Claims) { c["aud"] = "x" }, "made for"},
		"for nobody":                  {func(c trust.Claims) { delete(c, "aud") }, "no audience"},
		"for a number":                {func(c trust.Claims) { c["aud"] = json.Number("7") }, "no audience"},
		"of another issuer":           {func(c trust.Claims) { c["iss"] = "https://token.actions.githubusercontent.com/" }, "another issuer"},
		"of no issuer":                {func(c trust.Claims) { delete(c, "iss") }, "another issuer"},
		"of a fork":                   {func(c trust.Claims) { c["repository"] = "mallory/genomics" }, `"repository" is "mallory/genomics"`},
		"of a longer name":            {func(c trust.Claims) { c["repository"] = "acme/genomics2" }, `"repository"`},
		"in another case":             {func(c trust.Claims) { c["repository"] = "Acme/genomics" }, `"repository"`},
		"of a tag":                    {func(c trust.Claims) { c["ref"] = "refs/tags/v1" }, `"ref"`},
		"without a claim":             {func(c trust.Claims) { delete(c, "ref") }, `no claim "ref"`},
		"with a list in its place":    {func(c trust.Claims) { c["repository"] = []any{"acme/genomics"} }, `no claim "repository"`},
		"with an object in its place": {func(c trust.Claims) { c["repository"] = map[string]any{} }, `no claim "repository"`},
	} {
		claims, given := token(), github()
		c.change(claims)
		err := given.Match(claims)
		if c.refused == "" && err != nil || c.refused != "" && (!fault.Is(err, fault.Denied) || !strings.Contains(err.Error(), c.refused)) {
			t.Errorf("%s: %v, want %q", name, err, c.refused)
		}
	}
	given := github()
	given.Claims = map[string]string{"protected": "true", "project_id": "42"}
	claims := token()
	claims["protected"], claims["project_id"] = true, json.Number("42")
	if err := given.Match(claims); err != nil {
		t.Errorf("a boolean and a number: %v", err)
	}
}

func TestStored(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		by := audit.By{Actor: principal.Root, At: time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)}
		given := github()
		given.JWKS, given.RootCAs, given.CreatedBy, given.Created = "{}", []string{"pem"}, principal.Root, by.At
		update := func(f func(tx *db.Tx) error) error { return d.Update(t.Context(), f) }
		create := func(tx *db.Tx) error { return trust.Create(t.Context(), tx, by, given) }
		if err := update(create); err != nil {
			t.Fatal(err)
		}
		if err := update(create); !fault.Is(err, fault.Exists) {
			t.Errorf("once more: %v", err)
		}
		all, err := db.All(t.Context(), d.View, trust.Page)
		if diff := cmp.Diff([]trust.Trust{given}, all); diff != "" || err != nil {
			t.Errorf("(-want +got):\n%s%v", diff, err)
		}
		of := func(issuer string) (n int) {
			err := d.View(t.Context(), func(tx *db.Tx) error {
				found, err := trust.Of(t.Context(), tx, issuer)
				n = len(found)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		if here, there := of(given.Issuer), of(given.Issuer+"/"); here != 1 || there != 0 {
			t.Errorf("in the issuer %d, in another %d", here, there)
		}
		confirm := func(tx *db.Tx) error { return trust.Confirm(t.Context(), tx, given) }
		if err := update(confirm); err != nil {
			t.Errorf("while it is there: %v", err)
		}
		remove := func(tx *db.Tx) error { return trust.Delete(t.Context(), tx, by, "ci") }
		if err := update(remove); err != nil {
			t.Fatal(err)
		}
		if err := update(remove); !fault.Is(err, fault.NotFound) {
			t.Errorf("deleted once more: %v", err)
		}
		if err := update(confirm); !fault.Is(err, fault.NotFound) {
			t.Errorf("once it is gone: %v", err)
		}
		given.Created = given.Created.Add(time.Second)
		if err := update(create); err != nil {
			t.Fatal(err)
		}
		given.Created = by.At
		if err := update(confirm); !fault.Is(err, fault.NotFound) {
			t.Errorf("another of the same id: %v", err)
		}
	})
}
