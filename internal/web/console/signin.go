package console

import (
	"cmp"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"pachyderm/api"
	"pachyderm/api/pach"
	"pachyderm/internal/secret"
	"pachyderm/internal/web/console/page"
)

// first is who one is, or before the sign-in the ways in.
func first(c *page.Call) error {
	if c.Session != nil {
		return you(c)
	}
	front, err := c.Front()
	if err != nil {
		return err
	}
	return c.Render(http.StatusOK, "front", "Welcome", struct {
		page.Front
		Pachctl string
	}{front, c.GRPC(c.R)})
}

func signIn(c *page.Call) error {
	front, err := c.Front()
	if err != nil {
		return err
	}
	return c.Render(http.StatusOK, "sign-in", "Sign in", page.SignIn{Next: page.Local(c.Query("next")), Front: front})
}

func startSignIn(c *page.Call) error {
	to, err := c.SignIn(c.W, c.R, page.Local(c.Field("next")), c.Field("again") != "")
	if err != nil {
		return err
	}
	http.Redirect(c.W, c.R, to, http.StatusSeeOther)
	return nil
}

// rootForm is the page for the root token.
type rootForm struct {
	page.Front
	Next, Wrong string
}

func rootToken(c *page.Call) error { return askRootToken(c, http.StatusOK, c.Query("next"), "") }

func askRootToken(c *page.Call, code int, next, wrong string) error {
	front, err := c.Front()
	if err != nil {
		return err
	}
	if !front.RootToken {
		code = http.StatusForbidden
	}
	return c.Render(code, "root-token", "Use the root token", rootForm{front, page.Local(next), wrong})
}

// useRootToken gives a session for the root token, which is not kept.
func useRootToken(c *page.Call) error {
	next := c.Field("next")
	if !c.TakesRootToken(c.R) {
		return askRootToken(c, http.StatusForbidden, next, "")
	}
	ctx := metadata.NewOutgoingContext(c.Context, metadata.Pairs(api.TokenKey, cmp.Or(c.Field("token"), "none")))
	begun, err := c.API.Pach.BeginRootSession(ctx, &pach.BeginRootSessionRequest{})
	switch status.Code(err) {
	case codes.OK:
		c.SignedInAs(c.W, c.R, secret.Text(begun.GetToken()), next)
		return nil
	case codes.Unauthenticated, codes.PermissionDenied:
		return askRootToken(c, http.StatusUnauthorized, next, "This is not the root token. Copy it from its file again, without white space.")
	}
	return err
}

func signOut(c *page.Call) error {
	c.End()
	return c.Done(page.Root, "")
}
