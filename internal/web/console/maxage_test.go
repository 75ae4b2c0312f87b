package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"pachyderm/api/pach"
	"pachyderm/internal/pachd/pachdtest"
)

const (
	adminsOnCluster = "access/grant?principal=group:admins&type=CLUSTER"
	maxAge          = "/console/access/max-age"
)

func TestMaxAge_IsSetAndShown(t *testing.T) {
	s := pachdtest.Start(t)
	s.Connect()
	v := open(t, s).asRoot()
	if strings.Contains(v.at(adminsOnCluster).Body, maxAge) {
		t.Error("a group without roles has a limit to set")
	}
	if err := s.Bind(pachdtest.Cluster(), "group:admins", "clusterAdmin"); err != nil {
		t.Fatal(err)
	}
	form := v.at(adminsOnCluster)
	for wrong, says := range map[string]string{"soon": "is no time", "-1h": "is no time", "1s": "cannot be limited", "99999h": "cannot be limited"} {
		v.want(v.press(form, maxAge, "age", wrong), http.StatusUnprocessableEntity, says)
	}
	v.want(v.press(form, maxAge, "grace", "1h"), http.StatusUnprocessableEntity, "without a limit")
	set := v.press(form, maxAge, "age", "30m", "grace", "24h")
	v.want(set, http.StatusOK, "The next call is decided by it", "at most 30m that somebody is in the group, and 24h more")
	v.want(v.at("access"), http.StatusOK, "at most 30m")
	shown := v.at(adminsOnCluster)
	if !strings.Contains(shown.Body, `name="age" value="30m"`) || !strings.Contains(shown.Body, `name="grace" value="24h"`) {
		t.Errorf("the form has: %s", shown.Body)
	}
	// What is stored is one limit, of that group on that resource.
	all, err := s.API.Pach.ListMaxAges(s.Root(), &pach.ListMaxAgesRequest{})
	if err != nil || len(all.GetRules()) != 1 || all.GetRules()[0].GetMaxAge().AsDuration() != 30*time.Minute {
		t.Fatalf("%v, %v", all, err)
	}
	cleared := v.press(shown, maxAge, "age", "", "grace", "")
	v.want(cleared, http.StatusOK, "The next call is decided by it")
	if strings.Contains(cleared.Text(), "at most") {
		t.Errorf("the limit is still shown: %s", cleared.Text())
	}
}

func TestMaxAge_TwoAdministrators(t *testing.T) {
	s := pachdtest.Start(t)
	if err := s.Bind(pachdtest.Cluster(), "group:admins", "clusterAdmin"); err != nil {
		t.Fatal(err)
	}
	one, two := open(t, s).asRoot(), open(t, s).asRoot()
	mine, theirs := one.at(adminsOnCluster), two.at(adminsOnCluster)
	one.want(one.press(mine, maxAge, "age", "15m"), http.StatusOK, "15m")
	two.want(two.press(theirs, maxAge, "age", "24h"), http.StatusConflict, "Somebody else has changed")
	all, err := s.API.Pach.ListMaxAges(s.Root(), &pach.ListMaxAgesRequest{})
	if err != nil || len(all.GetRules()) != 1 || all.GetRules()[0].GetMaxAge().AsDuration() != 15*time.Minute {
		t.Errorf("%v, %v", all, err)
	}
}

// Whoever sees bindings and may not grant, and whoever may do neither, changes no limit.
func TestMaxAge_LesserRolesChangeNone(t *testing.T) {
	s := pachdtest.Start(t)
	s.Connect()
	if err := s.Bind(pachdtest.Cluster(), "group:ops", "clusterAdmin"); err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"idpAdmin", "oidcAppAdmin", "projectOwner", ""} {
		name := "limits-" + strings.ToLower(role)
		_, token := s.Robot(name, 3600)
		if role != "" {
			if err := s.Bind(pachdtest.Cluster(), "robot:"+name, role); err != nil {
				t.Fatal(err)
			}
			_, token = s.Robot(name, 3600)
		}
		v := open(t, s).as(token)
		status, text := v.post("access/max-age", with(map[string][]string{
			"principal": {"group:ops"}, "type": {"CLUSTER"}, "age": {"30m"}, "was": {" "},
		}, csrf(t, v.at(""))))
		if status != http.StatusForbidden || !strings.Contains(text, "not authorized") {
			t.Errorf("%s: %d %s", role, status, text)
		}
	}
	if all, err := s.API.Pach.ListMaxAges(s.Root(), &pach.ListMaxAgesRequest{}); err != nil || len(all.GetRules()) != 0 {
		t.Errorf("%v, %v", all, err)
	}
}

func TestExplain_ShowsGrantsThatAreTooOld(t *testing.T) {
	s := pachdtest.Start(t)
	s.Connect()
	if err := s.Bind(pachdtest.Cluster(), "group:admins", "clusterAdmin"); err != nil {
		t.Fatal(err)
	}
	_, err := s.API.Pach.SetMaxAge(s.Root(), &pach.SetMaxAgeRequest{
		Resource: pachdtest.Cluster(), Principal: "group:admins", MaxAge: durationpb.New(5 * time.Minute), Grace: durationpb.New(2 * time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	v := open(t, s)
	v.asAlice()
	const ask = "explain?permission=CLUSTER_GET_BINDINGS&type=CLUSTER"
	v.want(v.at(ask), http.StatusOK, "Yes", "clusterAdmin", "may be 5m old, 2h more while the provider cannot be asked")
	s.Ahead(9 * time.Minute)
	v.want(v.at(ask), http.StatusOK, "may not", "Not because of", "too old", "9 minutes ago", "may be 5m old", "Sign out and in again")
	root := open(t, s).asRoot()
	root.want(root.at(ask+"&principal=user:alice@example.com"), http.StatusOK, "Not because of", "9 minutes ago", "once user:alice@example.com signs in again")
}
