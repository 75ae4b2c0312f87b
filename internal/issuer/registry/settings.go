package registry

import (
	"context"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/settings"
	"pachyderm/internal/managed"
)

const (
	identitySettings  = "identity"
	bareGroupsSetting = "bare-groups"
)

// SettingsTopic is what db.Watch calls a change of settings.
const SettingsTopic = "issuer-setting"

// Settings returns what was stored, or the zero value.
func (g *Registry) Settings(ctx context.Context) (s settings.Settings, err error) {
	err = g.with.DB.View(ctx, func(tx *db.Tx) error { return readSetting(ctx, tx, identitySettings, &s) })
	return s, err
}

// StoreSettings stores settings that Parse has accepted. Fault: Denied for another
// issuer to whoever may not grant roles: people's browsers and clients go where
// it says with all that proves who they are.
func (g *Registry) StoreSettings(ctx context.Context, by Author, s settings.Settings) error {
	return g.with.DB.Update(ctx, func(tx *db.Tx) error {
		if err := managed.Guard(ctx, tx, by.Declares, managed.Settings, "", "identity.SetIdentityServerConfig"); err != nil {
			return err
		}
		var old settings.Settings
		if err := readSetting(ctx, tx, identitySettings, &old); err != nil {
			return err
		}
		if s.Named() != old.Named() && !by.MayGrant {
			return fault.New(fault.Denied, "%s may not change the issuer: whoever decides where people sign in decides who they are", by.Name).
				Next("ask a clusterAdmin, or leave the issuer as it is").At("issuer")
		}
		if err := writeSetting(ctx, tx, identitySettings, s); err != nil {
			return err
		}
		return g.record(ctx, tx, by.Name, "issuer.configure", s.Issuer)
	})
}

// WithdrawSettings takes back settings that are declared no more.
func (g *Registry) WithdrawSettings(ctx context.Context) error {
	return g.with.DB.Update(ctx, func(tx *db.Tx) error {
		if err := managed.Remove(ctx, tx, managed.Settings, ""); err != nil {
			return err
		}
		if err := writeSetting(ctx, tx, identitySettings, settings.Settings{}); err != nil {
			return err
		}
		return g.record(ctx, tx, Operator().Name, "issuer.configure", "")
	})
}
