package pachd

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"

	"pachyderm/internal/access"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
	"pachyderm/internal/token"
)

// ensureRoot activates authentication on a new database, with a root token
// that is in its file before the database knows it: a crash between the two
// loses nothing. A configured root token replaces the one in use, as upstream
// has it.
func (p *Pachd) ensureRoot(ctx context.Context) (made bool, err error) {
	if !p.config.Auth.Activate {
		return false, nil
	}
	active, was, err := p.isActive(ctx)
	if err != nil {
		return false, err
	}
	root := p.config.Auth.RootToken
	switch {
	case was && !active: // an administrator has deactivated it, over the API
		return false, nil
	case active && root == "":
		return false, nil
	case root == "":
		if root, made, err = p.rootFromFile(); err != nil {
			return false, err
		}
	}
	second := false
	err = p.db.Update(ctx, func(tx *db.Tx) error {
		now, err := access.IsActive(ctx, tx)
		if err != nil {
			return err
		}
		// Another replica was quicker, and has told of a root token of its own.
		if second = now && p.config.Auth.RootToken == ""; second {
			return nil
		}
		if !now {
			if err := access.Activate(ctx, tx); err != nil {
				return err
			}
		}
		if known, err := token.Verify(ctx, tx, root, time.Now()); err == nil && known.Subject == principal.Root {
			return nil
		}
		if _, err := token.RevokeAllOf(ctx, tx, principal.Root); err != nil {
			return err
		}
		return token.Put(ctx, tx, root, principal.Root, "", time.Now(), 0)
	})
	if err == nil && second {
		return false, os.Remove(p.config.RootTokenFile())
	}
	return made, err
}

func (p *Pachd) isActive(ctx context.Context) (active, was bool, err error) {
	err = p.db.View(ctx, func(tx *db.Tx) error {
		if active, err = access.IsActive(ctx, tx); err != nil {
			return err
		}
		was, err = access.WasActive(ctx, tx)
		return err
	})
	return active, was, err
}

// rootFromFile reads the token that a start before this one made and did not
// live to use, or makes one.
func (p *Pachd) rootFromFile() (root secret.Text, made bool, err error) {
	path := p.config.RootTokenFile()
	data, err := os.ReadFile(path) //nolint:gosec // the operator names the directory
	switch {
	case err == nil && strings.TrimSpace(string(data)) != "":
		return secret.Text(strings.TrimSpace(string(data))), true, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", false, fault.New(fault.Precondition, "cannot read the root token %s", path).
			Next("check its owner and mode").Because(err)
	}
	root = secret.Text("pach_" + rand.Text())
	if err := secret.WriteFile(path, []byte(root.Reveal()+"\n")); err != nil {
		return "", false, fault.New(fault.Precondition, "cannot write the root token %s", path).
			Next("give pachd a directory that it may write, with --data-dir").Because(err)
	}
	return root, true, nil
}

// forgetEvery is how often tokens that have expired are forgotten.
const forgetEvery = time.Hour

// forgetExpired does so until ctx ends, first at once.
func (p *Pachd) forgetExpired(ctx context.Context) error {
	tick := time.NewTicker(forgetEvery)
	defer tick.Stop()
	for {
		err := p.db.Update(ctx, func(tx *db.Tx) error {
			_, err := token.DeleteExpired(ctx, tx, time.Now())
			return err
		})
		if err != nil && ctx.Err() == nil {
			p.log.ErrorContext(ctx, "cannot forget expired tokens", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
