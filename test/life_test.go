package test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"pachyderm/test/idp"
)

// wants runs pachctl as root, and looks for texts in what it prints.
func (h *house) wants(args string, texts ...string) string {
	h.t.Helper()
	out, err := h.root.command(strings.Fields(args)...).CombinedOutput()
	for _, text := range texts {
		if !strings.Contains(string(out), text) {
			h.t.Errorf("pachctl %s: %q is not in, %v:\n%s", args, text, err, out)
		}
	}
	return string(out)
}

// An administrator on a bad day: who was refused, why, what a change would do, and back.
func TestLife_OfAConnectorAtATerminal(t *testing.T) {
	h := newHouse(t)
	l := idp.StartOpenLDAP(t, idp.OpenLDAPOptions{})
	config := ldapConfig(l)
	config["host"], config["rootCAData"] = l.LDAPS, string(l.CA.PEM)
	draft := h.file("draft.json", document("ldap", config)(h.daemon))
	h.wants("idp create-connector --draft --config " + draft)
	h.wants("idp list-connector", "draft: nobody signs in with it yet", "test-connector idp")
	h.wants("idp enable idp", "nobody has signed in with the draft", "--force")
	h.wants("idp enable idp --force")
	h.begin("idp", newClient(t)).succeeds(idp.Alice, []string{"admins", "developers", "everyone"})
	h.wants("auth set cluster clusterAdmin group:admins")

	refused := h.begin("idp", newClient(t))
	h.wants("auth disable-user user:" + idp.Alice.Email)
	_, _ = refused.as(idp.Alice)
	said, err := refused.wait()
	code := regexp.MustCompile(`\(code ([A-Z2-7]{8})\)`).FindStringSubmatch(said)
	if err == nil || code == nil {
		t.Fatalf("pachctl auth login says %v: %s", err, said)
	}
	h.wants("idp trace "+code[1], "refused", "user:alice@example.com is disabled", "search for groups", "bind as the person",
		"ask an administrator", "e-mail address", "admins, developers, everyone")
	h.wants("auth enable-user user:" + idp.Alice.Email)
	h.begin("idp", newClient(t)).succeeds(idp.Alice, nil)
	var traces []struct{ Code, Result, User, Connector string }
	if err := json.Unmarshal([]byte(h.root.run("", "idp", "list-traces", "--result", "refused", "-o", "json")), &traces); err != nil ||
		len(traces) != 1 || traces[0].Code != code[1] || traces[0].Connector != "idp" {
		t.Errorf("list-traces: %+v, %v", traces, err)
	}
	h.wants("idp list-traces --result nosuch", "use one of ok, refused")
	h.wants("idp sign-ins", "... is disabled", code[1])

	change := h.file("change.yaml", "id: idp\nconfig:\n  userSearch:\n    idAttr: uid\n")
	h.wants("idp plan --config "+change, "config.userSearch", "0 would be as before", "user:alice@example.com", "another account's",
		"nobody would administer the cluster")
	h.wants("idp disable idp", "the last by which somebody signs in who administers the cluster", "--force")
	h.wants("idp delete-connector idp", "only the root token would be left", "--force")

	h.wants("idp update-connector --confirm-within 10m --config "+h.file("name.yaml", "id: idp\nname: Directory\n"), "goes back to what it was", "idp confirm idp")
	h.wants("idp list-connector", "Directory", "goes back to what it was")
	h.wants("idp confirm idp")
	h.wants("idp list-revisions idp", `name: "`, "Directory", "pach:root")
	h.wants("idp rollback idp")
	if list := h.wants("idp list-connector"); strings.Contains(list, "Directory") {
		t.Errorf("rolled back:\n%s", list)
	}
	h.wants("auth set-max-age group:admins 30m cluster")
	h.wants("auth list-max-age", "group:admins", "30m0s")
	h.wants("auth explain user:alice@example.com CLUSTER_GET_BINDINGS cluster", "which may be 30m0s old")
}
