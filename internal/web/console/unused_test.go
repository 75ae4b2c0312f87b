package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"pachyderm/demo/op/optest"
	"pachyderm/internal/db"
	"pachyderm/internal/pachd/pachdtest"
)

const (
	day           = 24 * time.Hour
	disableUnused = "/console/people/unused/disable"
	preview       = "people/unused/disable?days=90"
)

// afterLong is a server on which alice and bob have signed in and were not here for a
// hundred days, and root is.
func afterLong(t *testing.T) (*pachdtest.Server, visit) {
	t.Helper()
	s := pachdtest.Start(t)
	s.Connect()
	open(t, s).asAlice()
	bob := open(t, s)
	p := bob.Submit(bob.Submit(bob.at(""), nil), map[string]string{"email": optest.Bob.Email, "password": optest.Bob.Password})
	bob.want(p, http.StatusOK, "user:bob@example.com")
	s.Ahead(100 * day)
	return s, open(t, s).asRoot()
}

func TestUnused_PreviewThenTheDeed(t *testing.T) {
	s, v := afterLong(t)
	if err := s.Bind(pachdtest.Cluster(), pachdtest.Alice, "clusterAdmin"); err != nil {
		t.Fatal(err)
	}
	v.want(v.at("people"), http.StatusOK, "Unused accounts")
	list := v.at("people/unused")
	if !strings.Contains(list.Body, `name="days" value="90"`) {
		t.Errorf("the form has: %s", list.Body)
	}
	v.want(list, http.StatusOK, "alice@example.com", "bob@example.com", "100 days ago", "Disable them")
	v.want(v.at("people/unused?days=101"), http.StatusOK, "Everybody has been here within 101 days")
	form := v.at(preview)
	v.want(form, http.StatusOK, "To be disabled: 1", "bob@example.com", "Stay", "alice@example.com", "nobody was here later")
	if s.Users()["user:bob@example.com"].GetEnabled() == false {
		t.Fatal("a preview has disabled somebody")
	}
	v.want(v.press(form, disableUnused), http.StatusOK, "One person is kept out", "bob@example.com")
	if users := s.Users(); users["user:bob@example.com"].GetEnabled() || !users[pachdtest.Alice].GetEnabled() {
		t.Errorf("%v", users)
	}
	v.want(v.at("people/unused?days=90"), http.StatusOK, "bob@example.com disabled")
	v.want(v.at(preview), http.StatusOK, "Nobody is to be disabled", "alice@example.com")
	v.want(v.at("audit?action=user.disable"), http.StatusOK, "user:bob@example.com", "unused since")
}

func TestUnused_NobodyWhoWasNotShown(t *testing.T) {
	s, v := afterLong(t)
	both := v.at(preview)
	v.want(both, http.StatusOK, "To be disabled: 2")
	if err := s.SetEnabled("user:bob@example.com", false); err != nil {
		t.Fatal(err)
	}
	one := v.press(both, disableUnused)
	v.want(one, http.StatusConflict, "Nobody was disabled", "To be disabled: 1")
	if err := s.SetEnabled("user:bob@example.com", true); err != nil {
		t.Fatal(err)
	}
	v.want(v.press(one, disableUnused), http.StatusConflict, "To be disabled: 2")
	for name, u := range s.Users() {
		if !u.GetEnabled() {
			t.Errorf("%s is disabled", name)
		}
	}
}

func TestUnused_NobodyWhoBecameUnusedSince(t *testing.T) {
	s, v := afterLong(t)
	s.Update(func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO users (name, disabled, created_at, login_at) VALUES ('user:carol@example.com', FALSE, 1, $1)`,
			db.Micros(s.Now().Add(-89*day)))
		return err
	})
	seen := hidden(t, v.at(preview), disableUnused)
	s.Ahead(102 * day)
	v = open(t, s).asRoot()
	now := v.at(preview)
	v.want(now, http.StatusOK, "To be disabled: 3", "carol@example.com")
	v.want(v.press(now, disableUnused, "since", seen.Get("since"), "shown", seen.Get("shown")), http.StatusOK, "2 people are kept out")
	if users := s.Users(); !users["user:carol@example.com"].GetEnabled() || users[pachdtest.Alice].GetEnabled() {
		t.Errorf("%v", users)
	}
}

func TestUnused_WrongInput(t *testing.T) {
	s, v := afterLong(t)
	for _, days := range []string{"0", "-1", "ninety", "36501", "1.5", "9999999999999999999", "90d"} {
		p := v.at("people/unused?days=" + days)
		v.want(p, http.StatusUnprocessableEntity, "is no number of days", "whole number from 1 to 36500")
		if !strings.Contains(p.Body, `name="days" value="`+days+`"`) {
			t.Errorf("what was written is lost: %s", p.Body)
		}
		v.want(v.at("people/unused/disable?days="+days), http.StatusBadRequest, "is no number of days")
	}
	v.want(v.at("people/unused/disable"), http.StatusBadRequest, "is no number of days")
	form := v.at(preview)
	v.want(v.press(form, disableUnused, "days", "0"), http.StatusBadRequest, "is no number of days")
	v.want(v.press(form, disableUnused, "since", "yesterday"), http.StatusBadRequest, "Load the page again")
	v.want(v.press(form, disableUnused, "shown", ""), http.StatusConflict, "Nobody was disabled")
	// A moment that is later than the number of days says is not taken.
	v.want(v.press(form, disableUnused, "days", "200", "since", s.Now().Format(time.RFC3339Nano)), http.StatusConflict, "Nobody is to be disabled")
	for name, u := range s.Users() {
		if !u.GetEnabled() {
			t.Errorf("%s is disabled", name)
		}
	}
}

func TestUnused_NeedsARecentSignInAndTheRole(t *testing.T) {
	s, v := afterLong(t)
	form := v.at(preview)
	s.Robot("lesser", 3600)
	if err := s.Bind(pachdtest.Cluster(), "robot:lesser", "idpAdmin"); err != nil {
		t.Fatal(err)
	}
	_, token := s.Robot("lesser", 3600)
	lesser := open(t, s).as(token)
	lesser.want(lesser.at("people/unused?days=90"), http.StatusForbidden, "not authorized")
	lesser.want(lesser.at(preview), http.StatusForbidden, "not authorized")
	status, text := lesser.post("people/unused/disable", with(hidden(t, form, disableUnused), csrf(t, lesser.at(""))))
	if status != http.StatusForbidden || !strings.Contains(text, "not authorized") {
		t.Errorf("%d %s", status, text)
	}
	s.Ahead(100*day + 16*time.Minute)
	again := v.press(form, disableUnused)
	v.want(again, http.StatusForbidden, "Sign in again")
	if !strings.Contains(again.Body, strings.ToLower(url.QueryEscape("/console/"+preview))) {
		t.Errorf("it does not come back to the preview: %s", again.Body)
	}
	for name, u := range s.Users() {
		if !u.GetEnabled() {
			t.Errorf("%s is disabled", name)
		}
	}
}

// Of many a hundred are disabled at once, and then the next are shown; who was disabled
// before is passed over.
func TestUnused_InPages(t *testing.T) {
	const many = 230
	s := pachdtest.Start(t)
	s.Update(func(tx *db.Tx) error {
		for n := range many {
			_, err := tx.Exec(t.Context(), `INSERT INTO users (name, disabled, created_at, login_at) VALUES ($1, FALSE, 1, 1)`,
				fmt.Sprintf("user:person%03d@example.com", n))
			if err != nil {
				return err
			}
		}
		return nil
	})
	v := open(t, s).asRoot()
	next := v.at("people/unused?days=1")
	shown := 0
	for {
		shown += strings.Count(next.Body, "<th scope=\"row\"")
		more := moreLink(next)
		if more == "" {
			break
		}
		next = v.Get(s.HTTP + more)
		v.want(next, http.StatusOK)
	}
	if shown != many {
		t.Errorf("the list has %d of %d people", shown, many)
	}
	form := v.at("people/unused/disable?days=1")
	for step, want := range []int{100, 100, 30} {
		v.want(form, http.StatusOK, fmt.Sprintf("To be disabled: %d", want))
		done := v.press(form, disableUnused)
		v.want(done, http.StatusOK, fmt.Sprintf("%d people are kept out", want))
		if link := previewLink(done); step < 2 {
			form = v.Get(s.HTTP + link)
		} else if link != "" {
			t.Errorf("after all there is more: %s", link)
		}
	}
	for name, u := range s.Users() {
		if u.GetEnabled() {
			t.Errorf("%s is not disabled", name)
		}
	}
	v.want(v.at("people/unused/disable?days=1"), http.StatusOK, "Nobody is to be disabled")
}

func moreLink(p optest.Page) string { return linkTo(p, "/console/people/unused?") }

func previewLink(p optest.Page) string { return linkTo(p, disableUnused+"?") }

// linkTo is the first link of a page that leads to a path and another page of it.
func linkTo(p optest.Page, path string) string {
	for part := range strings.SplitSeq(p.Body, `href="`) {
		link, _, _ := strings.Cut(strings.ReplaceAll(part, "&amp;", "&"), `"`)
		if u, err := url.Parse(link); err == nil && strings.HasPrefix(link, path) && u.Query().Get("after") != "" {
			return link
		}
	}
	return ""
}

// linkOfText is where the link with a text leads.
func linkOfText(p optest.Page, text string) string {
	before, _, _ := strings.Cut(p.Body, `">`+text+"<")
	return strings.ReplaceAll(before[strings.LastIndex(before, `"`)+1:], "&amp;", "&")
}
