package saml

import (
	"fmt"
	"strings"
	"testing"
	"time"

	dexconn "github.com/dexidp/dex/connector"

	"pachyderm/internal/connector/authtime"
	"pachyderm/internal/fault"
)

func TestSAML_HasTheProviderAsk(t *testing.T) {
	forced, hour := int64(0), int64(3600)
	statement := func(after time.Duration) string {
		return fmt.Sprintf(`<saml:AuthnStatement AuthnInstant="%s"/>`, stamp(at().Add(after)))
	}
	for name, c := range map[string]struct {
		maxAge  *int64
		session string
		refused string
		proved  time.Duration
	}{
		"just now":             {&forced, statement(0), "", 0},
		"remembered":           {&forced, statement(-3 * time.Minute), "did not ask who you are", 0},
		"one of two is older":  {&forced, statement(0) + statement(-time.Hour), "did not ask who you are", 0},
		"not said":             {&forced, `<saml:AuthnStatement/>`, "AuthnInstant", 0},
		"no time":              {&forced, `<saml:AuthnStatement AuthnInstant="now"/>`, "where a time is required", 0},
		"remembered, unforced": {nil, statement(-3 * time.Hour), "", -3 * time.Hour},
		"an hour":              {&hour, statement(-2 * time.Hour), "", -2 * time.Hour},
		"in the future":        {&forced, statement(time.Hour), "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			conn, _ := open(t, config())
			conn.deps.MaxAge = func(string) *int64 { return c.maxAge }
			data, p := begin(t, conn)
			request, err := conn.request(p, ssoURL)
			if err != nil {
				t.Fatal(err)
			}
			if asks := strings.Contains(string(request), `ForceAuthn="true"`); asks != authtime.Forced(c.maxAge) {
				t.Errorf("the request is %s", request)
			}
			d := newDraft(p.ID)
			d.session = c.session
			ctx, proved := authtime.Watch(t.Context())
			_, err = conn.HandleCallback(dexconn.Scopes{}, data, post(t, serialize(d.build())).WithContext(ctx))
			if c.refused == "" && err != nil || c.refused != "" && (err == nil || !strings.Contains(fault.Message(err), c.refused)) {
				t.Errorf("refused: %v", err)
			}
			if c.refused == "" && !proved().Equal(at().Add(c.proved)) {
				t.Errorf("proved at %v", proved())
			}
		})
	}
}
