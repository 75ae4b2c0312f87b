package migration

import (
	"context"
	"encoding/json"
	"os"
	"slices"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"pachyderm/api/auth"
	"pachyderm/api/identity"
	"pachyderm/internal/fault"
)

// values are those of upstream's Helm chart, as far as they say who gets in. What
// stands in Secrets by name is not in them.
type values struct {
	OIDC struct {
		IssuerURI    string `yaml:"issuerURI"`
		UpstreamIDPs []struct {
			ID         string         `yaml:"id"`
			Name       string         `yaml:"name"`
			Type       string         `yaml:"type"`
			JSONConfig string         `yaml:"jsonConfig"`
			Config     map[string]any `yaml:"config"`
		} `yaml:"upstreamIDPs"`
		UpstreamIDPsSecretName string `yaml:"upstreamIDPsSecretName"`
		AdditionalClients      []struct {
			ID           string   `yaml:"id"`
			Name         string   `yaml:"name"`
			Secret       string   `yaml:"secret"`
			RedirectURIs []string `yaml:"redirectURIs"`
			Redirects    []string `yaml:"redirect_uris"` // upstream takes both
			Peers        []string `yaml:"trustedPeers"`
			TrustedPeers []string `yaml:"trusted_peers"`
		} `yaml:"additionalClients"`
	} `yaml:"oidc"`
	Pachd struct {
		ClusterRoleBindings map[string][]string `yaml:"pachAuthClusterRoleBindings"`
	} `yaml:"pachd"`

	file string
}

// readValues reads a values file. Faults: Precondition, Invalid.
func readValues(file string) (*values, error) {
	data, err := os.ReadFile(file) //nolint:gosec // the user names the file
	if err != nil {
		return nil, fault.New(fault.Precondition, "cannot read %s", file).Next("check the path").Because(err)
	}
	v := &values{file: file}
	if err := yaml.Unmarshal(data, v); err != nil {
		return nil, fault.New(fault.Invalid, "%s is not a values file of Helm", file).
			Next("give the file that was passed to helm with --values, or what helm get values prints").Because(err)
	}
	if v.OIDC.UpstreamIDPsSecretName != "" && len(v.OIDC.UpstreamIDPs) == 0 {
		return nil, fault.New(fault.Precondition, "%s has its connectors in the Secret %s", file, v.OIDC.UpstreamIDPsSecretName).
			Next("use --from with the context of the installation, or put what the key upstream-idps of that Secret has under oidc.upstreamIDPs")
	}
	return v, nil
}

func (v *values) connectors(context.Context) (all []*identity.IDPConnector, err error) {
	for _, c := range v.OIDC.UpstreamIDPs {
		if c.JSONConfig != "" {
			if err := json.Unmarshal([]byte(c.JSONConfig), &c.Config); err != nil {
				return nil, fault.New(fault.Invalid, "%s: the jsonConfig of the connector %s is not JSON", v.file, c.ID).
					Next("correct it there").Because(err)
			}
		}
		config, err := structpb.NewStruct(c.Config)
		if err != nil {
			return nil, fault.New(fault.Invalid, "%s: the config of the connector %s is not what JSON can say", v.file, c.ID).
				Next("correct it there").Because(err)
		}
		all = append(all, &identity.IDPConnector{Id: c.ID, Name: c.Name, Type: c.Type, Config: config})
	}
	return all, nil
}

func (v *values) clients(context.Context) (all []*identity.OIDCClient, err error) {
	for _, c := range v.OIDC.AdditionalClients {
		all = append(all, &identity.OIDCClient{
			Id: c.ID, Name: c.Name, Secret: c.Secret, RedirectUris: slices.Concat(c.RedirectURIs, c.Redirects),
			TrustedPeers: slices.Concat(c.Peers, c.TrustedPeers),
		})
	}
	return all, nil
}

func (v *values) bindings(context.Context) ([]binding, error) {
	b := binding{resource: cluster(), roles: map[string][]string{}}
	for who, roles := range v.Pachd.ClusterRoleBindings {
		b.roles[who] = slices.Sorted(slices.Values(roles))
	}
	return []binding{b}, nil
}

func (v *values) tokens(context.Context) ([]*auth.TokenInfo, error) { return nil, nil }

func (v *values) issuer(context.Context) (string, error) { return v.OIDC.IssuerURI, nil }
