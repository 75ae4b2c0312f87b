// Package oidc signs people in through an OpenID Connect provider: it is the
// relying party behind connectors of type oidc, written to Dex's connector
// interfaces.
//
// It trusts nothing a provider or a browser sends before it is checked, and
// says of each refusal what was wrong and who can correct it. Who may use a
// connector, where its document is kept, and which browser a sign-in belongs to
// are for its callers.
package oidc
