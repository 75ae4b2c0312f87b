package pachd

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"pachyderm/internal/config"
	"pachyderm/internal/config/kubesecret"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/token"
	"pachyderm/internal/secret"
)

// keysSecret is the Secret that replicas in Kubernetes share.
func keysSecret(c config.Config) *kubesecret.Secret {
	return kubesecret.New(kubesecret.Pod{
		Host: c.Environ["KUBERNETES_SERVICE_HOST"].Reveal(), Port: c.Environ["KUBERNETES_SERVICE_PORT"].Reveal(),
		ServiceAccount: c.Kubernetes.ServiceAccount,
	}, c.Kubernetes.KeysSecret)
}

// sealingKey is where the sealing key is kept.
func sealingKey(c config.Config) secret.Place {
	if c.Sealing.KeyFile == "" {
		return keysSecret(c).Key("sealing-key")
	}
	return secret.File(c.Sealing.KeyFile)
}

// oldKeys is where the sealing key as it was is kept, once it is replaced.
func oldKeys(c config.Config) secret.Place {
	if c.Sealing.KeyFile == "" {
		return keysSecret(c).Key("sealing-key.old")
	}
	return secret.File(c.Sealing.KeyFile + ".old")
}

// rootToken is the one that is configured or kept in the Secret, which is made there
// if there is none; empty if the root token is kept in the data directory. Fault:
// Precondition.
func (p *Pachd) rootToken(ctx context.Context) (secret.Text, error) {
	c := p.config
	if c.Auth.RootToken != "" || c.Kubernetes.KeysSecret == "" || !c.Auth.Activate {
		return c.Auth.RootToken, nil
	}
	key := keysSecret(c).Key("root-token")
	kept, err := key.Read(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		p.log.InfoContext(ctx, "a root token is made; it can do everything", "place", key.String())
		kept, err = key.Fill(ctx, []byte(token.New().Reveal()))
	}
	if err != nil {
		return "", err
	}
	root := strings.TrimSpace(string(kept))
	if len(root) < secret.MinLength {
		return "", fault.New(fault.Precondition, "%s is too short to be a secret", key).
			Next("put %d characters there, better 32 random ones, or remove it and start pachd again, which makes one", secret.MinLength)
	}
	return secret.Text(root), nil
}
