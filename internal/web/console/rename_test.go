package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"pachyderm/internal/pachd/pachdtest"
)

const (
	renameAlice = "people/of/alice@example.com/rename"
	toRename    = "/console/" + renameAlice
)

func TestRename_KeepsWhatThePersonHas(t *testing.T) {
	s, alice := administrator(t)
	root := open(t, s).asRoot()
	root.want(root.at("people/of/alice@example.com"), http.StatusOK, "Rename")
	form := root.at(renameAlice)
	root.want(form, http.StatusOK, "roles, groups and identities", "keeps the name of the time", "is free")
	root.want(root.press(form, toRename, "new", " Alice@Example.ORG "), http.StatusOK, "This is the name from now on", "user:alice@example.org", "clusterAdmin", "demo")
	alice.want(alice.at(""), http.StatusOK, "user:alice@example.org") // her session goes on
	root.want(root.at("people/of/alice@example.com"), http.StatusNotFound, "Nobody called user:alice@example.com")
}

func TestRename_WrongInputIsShownInTheForm(t *testing.T) {
	s := pachdtest.Start(t)
	s.Connect()
	open(t, s).asAlice()
	v := open(t, s).asRoot()
	v.want(v.at("people/of/nobody@example.com/rename"), http.StatusNotFound, "Nobody called user:nobody@example.com")
	form := v.at(renameAlice)
	v.want(v.send("", "people/of/nobody@example.com/rename", url.Values{"new": {"x@example.com"}}), http.StatusNotFound, "has never signed in")
	if err := s.Bind(pachdtest.Cluster(), "user:bob@example.com", "debugger"); err != nil {
		t.Fatal(err)
	}
	for name, says := range map[string]string{
		"bob@example.com": "known here already", "": "is empty", "alice@example.com": "has that name already", "two@at@example.com": "not exactly one e-mail address",
	} {
		p := v.press(form, toRename, "new", name)
		v.want(p, http.StatusUnprocessableEntity, says)
		if !strings.Contains(p.Body, `name="new" value="`+name+`"`) {
			t.Errorf("what was written is lost: %s", p.Body)
		}
		if got, want := strings.Contains(p.Body, "/console/people?prefix="), name == "bob@example.com"; got != want {
			t.Errorf("%q leads to who has it: %v", name, got)
		}
	}
	if s.Users()[pachdtest.Alice] == nil {
		t.Error("alice has another name")
	}
}

func TestRename_NeedsARecentSignInAndTheRole(t *testing.T) {
	s := pachdtest.Start(t)
	s.Connect()
	alice := open(t, s)
	alice.asAlice()
	alice.want(alice.at(renameAlice), http.StatusForbidden, "not authorized")
	alice.want(alice.send("", renameAlice, url.Values{"new": {"root@example.com"}}), http.StatusForbidden, "not authorized")
	v := open(t, s).asRoot()
	form := v.at(renameAlice)
	s.Ahead(16 * time.Minute)
	v.want(v.press(form, toRename, "new", "alice@example.org"), http.StatusForbidden, "Sign in again", "nothing was changed")
	if s.Users()[pachdtest.Alice] == nil {
		t.Error("alice has another name")
	}
}
