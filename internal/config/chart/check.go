package chart

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"pachyderm/internal/config"
	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
)

// Where the chart has pods find what is in Secrets.
const (
	rootTokenPath   = "/run/pachd/root-token/root-token" //nolint:gosec // a path
	credentialsPath = "/dexcreds"                        //nolint:gosec // a path
	storageKeyPath  = "/run/pachd/storage/secret-key"    //nolint:gosec // a path
	// accessKey is the variable that pachd takes the other half of that key from.
	accessKey = "PACHD_STORAGE_S3_ACCESS_KEY"
	// inPlace is what a Secret has, for all that is known here.
	inPlace = "stands in for the one in the Secret"
)

// Check looks at a values file, and has check look at the configuration that pods have
// of it, with stand-ins for what is in Secrets. It says what is not used, and what was
// not looked at. Fault: Invalid.
func Check(ctx context.Context, file string, stdout io.Writer, check func(context.Context, config.Config) error) (err error) {
	values, err := Read(file)
	if err != nil {
		return err
	}
	if err := values.Check(); err != nil {
		return fault.Prefix(err, "%s", file)
	}
	made, err := values.Make()
	if err != nil {
		return fault.Prefix(err, "%s", file)
	}
	dir, err := os.MkdirTemp("", "pachd-values-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	pod := filepath.Join(dir, "pachd.yaml")
	text, err := standIn(dir, made.Config)
	if err != nil {
		return err
	}
	if err := secret.WriteFile(pod, []byte(text)); err != nil {
		return err
	}
	if made.Unseen[accessKey] != "" {
		made.Environ = append(made.Environ, accessKey+"="+inPlace)
	}
	c, err := config.Load(dir, pod, made.Environ)
	if err == nil {
		err = check(ctx, c)
	}
	if err != nil {
		return values.told(err, file, pod)
	}
	unused, err := values.Unused()
	if err != nil {
		return err
	}
	for _, key := range unused {
		_, _ = fmt.Fprintf(stdout, "%s is not used: it has nothing to set here\n", key)
	}
	for _, name := range slices.Sorted(maps.Keys(made.Unseen)) {
		_, _ = fmt.Fprintf(stdout, "%s is in the Secret %s, which was not looked at\n", name, made.Unseen[name])
	}
	return nil
}

// standIn puts files of our own in place of those that Secrets are mounted as.
func standIn(dir, text string) (string, error) {
	root, storageKey := filepath.Join(dir, "root-token"), filepath.Join(dir, "storage-key")
	for _, path := range []string{root, storageKey} {
		if err := secret.WriteFile(path, []byte(inPlace)); err != nil {
			return "", err
		}
	}
	credentials := filepath.Join(dir, "credentials")
	if err := os.Mkdir(credentials, 0o700); err != nil {
		return "", err
	}
	for _, named := range regexp.MustCompile(`\$\{file:`+credentialsPath+`/([\w.-]+)\}`).FindAllStringSubmatch(text, -1) {
		if err := secret.WriteFile(filepath.Join(credentials, named[1]), []byte("stands-in-for-the-one-in-the-Secret")); err != nil {
			return "", err
		}
	}
	return strings.NewReplacer(rootTokenPath, root, credentialsPath, credentials, storageKeyPath, storageKey).Replace(text), nil
}

// told has an error about the configuration of a pod name the values that it came of.
func (v *Values) told(err error, file, pod string) error {
	text := strings.NewReplacer(
		pod+": ", "", pod+", ", "", filepath.Dir(pod)+"/credentials", credentialsPath,
		"bootstrap.connectors", "oidc.upstreamIDPs", "bootstrap.clients", "oidc.additionalClients",
		"bootstrap.roleBindings", "pachd.pachAuthClusterRoleBindings", "bootstrap.groups", "pachd.groups",
		"bootstrap.trustedPeers", "pachd.additionalTrustedPeers", "bootstrap.rootTokenFile", "pachd.rootToken",
		"bootstrap.identityConfig.id_token_expiry", "oidc.IDTokenExpiry",
		"bootstrap.identityConfig.rotation_token_expiry", "oidc.RotationTokenExpiry",
		"storage.s3", "pachd.storage.s3",
		"auth.sessionDuration", "pachd.sessionDuration", "log.level", "pachd.logLevel", "trustedProxies", "pachd.trustedProxies",
	).Replace(fault.Message(err))
	// Lines are of a file that the reader does not have.
	text = regexp.MustCompile(`(?:, line \d+| \(line \d+\))`).ReplaceAllString(text, "")
	// Nor are folders: of those that pods have, values can fill one.
	if before, _, isPlace := strings.Cut(text, ": put it into one of the folders that secrets.allowFiles"); isPlace {
		text = before + ": put it into the Secret that oidc.dexCredentialSecretName names, and write ${file:" + credentialsPath + "/NAME}"
	}
	key, _, _ := strings.Cut(text, ": ")
	return fault.New(fault.KindOf(err), "%s: %s", file, text).OnLine(v.lineOf(key)).Because(err)
}
