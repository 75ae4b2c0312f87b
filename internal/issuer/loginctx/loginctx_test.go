package loginctx_test

import (
	"context"
	"testing"

	"pachyderm/internal/issuer/loginctx"
	"pachyderm/internal/secret"
)

func TestContext_RoundTrip(t *testing.T) {
	l := &loginctx.Login{Browser: "b", Revision: "r", Inner: []byte("inner")}
	if loginctx.FromContext(context.Background()) != nil || loginctx.FromContext(loginctx.NewContext(t.Context(), l)) != l {
		t.Error("lost on the way")
	}
	data, err := l.Data()
	if err != nil {
		t.Fatal(err)
	}
	e, err := loginctx.Open(data)
	if err != nil || e.Browser != "b" || e.Revision != "r" || string(e.Inner) != "inner" {
		t.Errorf("opened %+v, %v", e, err)
	}
	// What was not closed by us binds to no browser: Same then says no.
	if e, err := loginctx.Open([]byte(`{}`)); err != nil || secret.Same(e.Browser, "") {
		t.Errorf("opened %+v, %v", e, err)
	}
	if _, err := loginctx.Open(nil); err == nil {
		t.Error("nothing was opened")
	}
}
