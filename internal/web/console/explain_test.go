package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"pachyderm/api/auth"
	"pachyderm/internal/pachd/pachdtest"
)

const question = "explain?permission=REPO_READ&type=PROJECT&name=default"

func at(t time.Time) string { return "&at=" + url.QueryEscape(t.UTC().Format(time.RFC3339Nano)) }

func TestExplain_AMomentThatIsOver(t *testing.T) {
	s := pachdtest.Start(t)
	s.Connect()
	begun := s.Now()
	alice := open(t, s)
	alice.asAlice()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	s.Ahead(time.Hour)
	must(s.Bind(pachdtest.Project("default"), "user:carol@example.com", "projectOwner"))
	_, err := s.API.Auth.ModifyMembers(s.Root(), &auth.ModifyMembersRequest{Group: "hands", Add: []string{"user:carol@example.com"}})
	must(err)
	must(s.Bind(pachdtest.Project("default"), "group:hands", "projectOwner"))
	s.Ahead(2 * time.Hour)
	must(s.Bind(pachdtest.Project("default"), "user:carol@example.com"))
	must(s.Bind(pachdtest.Project("default"), "group:hands"))
	s.Ahead(3 * time.Hour)
	v := open(t, s).asRoot()
	ofCarol := question + "&principal=user:carol@example.com"
	v.want(v.at(ofCarol), http.StatusOK, "No", "may not do REPO_READ")
	then := v.at(ofCarol + at(begun.Add(90*time.Minute)))
	v.want(then, http.StatusOK, "Yes", "user:carol@example.com was allowed to do REPO_READ on PROJECT default on "+begun.Add(90*time.Minute).UTC().Format("2 Jan 2006 15:04:05 UTC"),
		"projectOwner", "The audit reaches back to", "group:hands", "administrator")
	if strings.Contains(then.Text(), "never") {
		t.Errorf("what an administrator said has an age: %s", then.Text())
	}
	v.want(v.Get(s.HTTP+linkOfText(then, "Ask the same about now")), http.StatusOK, "may not do REPO_READ on PROJECT default")
	v.want(v.at(ofCarol+at(begun.Add(30*time.Minute))), http.StatusOK, "No", "was not allowed to", "No role that is known to have been theirs gave it")
	if !strings.Contains(then.Body, `name="at" type="datetime-local" step="1" value="`+begun.Add(90*time.Minute).UTC().Format("2006-01-02T15:04:05")+`"`) {
		t.Errorf("the field has not the moment: %s", then.Body)
	}
	// What pachctl takes is taken, too, wherever it was noon.
	for _, form := range []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04"} {
		when := begun.Add(90 * time.Minute).UTC()
		if strings.Contains(form, "Z") {
			when = when.In(time.FixedZone("", 5*3600))
		}
		v.want(v.at(ofCarol+"&at="+url.QueryEscape(when.Format(form))), http.StatusOK, "Yes")
	}
	// Everybody may ask about themselves, and about nobody else; of alice a connector
	// has been asked since.
	s.Ahead(0)
	alice.want(alice.at(question+at(begun)), http.StatusOK, "It cannot be told", "Whether user:alice@example.com was allowed to",
		"connector/demo, which was last asked at")
	alice.want(alice.at(ofCarol+at(begun)), http.StatusForbidden, "not authorized")
}

func TestExplain_NameOfThen(t *testing.T) {
	s, _ := administrator(t)
	begun := s.Now()
	s.Ahead(time.Hour)
	v := open(t, s).asRoot()
	v.want(v.press(v.at(renameAlice), toRename, "new", "alice@example.org"), http.StatusOK, "This is the name")
	v.want(v.at("explain?permission=CLUSTER_GET_BINDINGS&type=CLUSTER&principal=user:alice@example.org"+at(begun)), http.StatusOK, "Yes",
		"user:alice@example.com was allowed to", "user:alice@example.org was called user:alice@example.com then")
}

func TestExplain_WrongMoments(t *testing.T) {
	s := pachdtest.Start(t)
	v := open(t, s).asRoot()
	now := s.Now()
	for when, says := range map[string]string{
		"yesterday": "is no moment", "2026-02-30T12:00": "is no moment", "12:00": "is no moment", strings.Repeat("9", 500): "is no moment",
		now.Add(24 * time.Hour).UTC().Format("2006-01-02T15:04"): "is yet to come",
		"2001-01-01T00:00": "is in the audit since",
	} {
		p := v.at(question + "&principal=user:alice@example.com&at=" + url.QueryEscape(when))
		v.want(p, http.StatusUnprocessableEntity, says)
		if !strings.Contains(p.Body, `name="principal" value="user:alice@example.com"`) || strings.Contains(p.Text(), "Yes") {
			t.Errorf("%s: %s", when, p.Text())
		}
	}
	v.want(v.at("explain?permission=REPO_READ&type=REPO&name="), http.StatusUnprocessableEntity)
	v.want(v.at(question+"&principal=alice"), http.StatusUnprocessableEntity, "subject has no prefix")
}
