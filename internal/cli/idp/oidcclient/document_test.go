package oidcclient_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"pachyderm/api/identity"
	"pachyderm/api/pach"
	"pachyderm/internal/cli/idp/oidcclient"
	"pachyderm/internal/cli/kit"
)

const whole = `id: app
name: An app
redirect_uris: [https://app.example.com/cb]
secret: s3cret
trusted_peers: [console]
allowed_connectors: [okta]
pkce: optional
public: true
post_logout_redirect_uris: [https://app.example.com/bye]
backchannel_logout_uri: https://app.example.com/out
`

func read(t *testing.T, text string) oidcclient.Document {
	t.Helper()
	d, err := oidcclient.Read(kit.Document{Name: "app.yaml", Data: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDocument_EveryKeyReachesPachd(t *testing.T) {
	d := read(t, whole)
	for _, f := range reflect.VisibleFields(reflect.TypeFor[oidcclient.Document]()) {
		key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if reflect.ValueOf(d).FieldByIndex(f.Index).IsZero() || !strings.Contains(oidcclient.Help, "\n  "+key) {
			t.Errorf("%s is not read, or not explained", key)
		}
	}
	create := &pach.CreateOIDCClientRequest{
		Client: &identity.OIDCClient{
			Id: "app", Name: "An app", RedirectUris: []string{"https://app.example.com/cb"}, Secret: "s3cret", TrustedPeers: []string{"console"},
		},
		AllowedConnectors: []string{"okta"}, Pkce: pach.PKCE_PKCE_OPTIONAL, Public: true,
		PostLogoutRedirectUris: []string{"https://app.example.com/bye"}, BackchannelLogoutUri: "https://app.example.com/out",
	}
	if diff := cmp.Diff(create, d.Create(), protocmp.Transform()); diff != "" {
		t.Errorf("create (-want +got):\n%s", diff)
	}
	list := func(s string) *pach.StringList { return &pach.StringList{Values: []string{s}} }
	change := &pach.UpdateOIDCClientRequest{
		Id: "app", Name: "An app", RedirectUris: list("https://app.example.com/cb"), TrustedPeers: list("console"),
		AllowedConnectors: list("okta"), Pkce: pach.PKCE_PKCE_OPTIONAL, Public: new(true),
		PostLogoutRedirectUris: list("https://app.example.com/bye"), BackchannelLogoutUri: new("https://app.example.com/out"),
	}
	got := &pach.UpdateOIDCClientRequest{}
	d.Change(got)
	if diff := cmp.Diff(change, got, protocmp.Transform()); diff != "" {
		t.Errorf("update (-want +got):\n%s", diff)
	}
}

func TestDocument_WhatIsAbsentStays(t *testing.T) {
	got := &pach.UpdateOIDCClientRequest{}
	read(t, "id: app\nredirect_uris: []\nsecret: '***'\n").Change(got)
	want := &pach.UpdateOIDCClientRequest{Id: "app", RedirectUris: &pach.StringList{}}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
