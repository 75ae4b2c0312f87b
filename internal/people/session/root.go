package session

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"

	"pachyderm/internal/access"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/people/token"
	"pachyderm/internal/people/trust"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
)

// EnsureRoot activates authentication on a new database, with a root token
// that is in its file before the database knows it: a crash between the two
// loses nothing. A configured root token replaces the one in use, as upstream
// has it. It reports whether this call made the root token.
func (s *Service) EnsureRoot(ctx context.Context) (made bool, err error) {
	active, was, err := s.isActive(ctx)
	if err != nil {
		return false, err
	}
	root := s.with.RootToken
	switch {
	case was && !active: // an administrator has deactivated it, over the API
		return false, nil
	case active && root == "":
		return false, nil
	case root == "":
		if root, made, err = s.rootFromFile(); err != nil {
			return false, err
		}
	}
	second := false
	err = s.with.DB.Update(ctx, func(tx *db.Tx) (err error) {
		second, err = s.installRoot(ctx, tx, root)
		return err
	})
	if err == nil && second {
		return false, os.Remove(s.with.RootFile)
	}
	return made, err
}

// installRoot reports whether another replica was quicker, and has announced a
// root token of its own.
func (s *Service) installRoot(ctx context.Context, tx *db.Tx, root secret.Text) (second bool, err error) {
	active, err := access.IsActive(ctx, tx)
	if err != nil || active && s.with.RootToken == "" {
		return active, err
	}
	if !active {
		if err := access.Activate(ctx, tx); err != nil {
			return false, err
		}
	}
	if known, err := token.Verify(ctx, tx, root, s.with.Now()); err == nil && known.Subject == principal.Root {
		return false, nil
	}
	return false, s.replaceRoot(ctx, tx, root)
}

// ConfiguredRoot ends the root token in use for one that the configuration has now. It
// does nothing where none was configured at the start, and while authentication is
// not activated.
func (s *Service) ConfiguredRoot(ctx context.Context, root secret.Text) error {
	if s.with.RootToken == "" || root == "" {
		return nil
	}
	return s.with.DB.Update(ctx, func(tx *db.Tx) error {
		if active, err := access.IsActive(ctx, tx); err != nil || !active {
			return err
		}
		if known, err := token.Verify(ctx, tx, root, s.with.Now()); err == nil && known.Subject == principal.Root {
			return nil // another replica was quicker
		}
		if err := s.replaceRoot(ctx, tx, root); err != nil {
			return err
		}
		return s.By(principal.AuthServer).Record(ctx, tx, "token.rotate-root", principal.Root.String(), "by pachd's configuration")
	})
}

func (s *Service) isActive(ctx context.Context) (active, was bool, err error) {
	err = s.with.DB.View(ctx, func(tx *db.Tx) error {
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
func (s *Service) rootFromFile() (root secret.Text, made bool, err error) {
	path := s.with.RootFile
	data, err := secret.ReadFile("root token", path)
	switch {
	case err == nil && strings.TrimSpace(string(data)) != "":
		return secret.Text(strings.TrimSpace(string(data))), true, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", false, err
	}
	root = token.New()
	return root, true, writeRoot(path, root)
}

func writeRoot(path string, root secret.Text) error {
	if err := secret.WriteFile(path, []byte(root.Reveal()+"\n")); err != nil {
		return fault.New(fault.Precondition, "cannot write the root token %s", path).
			Next("set --data-dir to a directory that pachd may write").Because(err)
	}
	return nil
}

// RecoverRoot makes a new root token in place of one that is lost, which ends. It is
// in its file before the database knows it: after a crash between the two it is to be
// done again. Fault: Precondition where there is no root token to lose.
func (s *Service) RecoverRoot(ctx context.Context) error {
	if s.with.RootToken != "" {
		return fault.New(fault.Precondition, "the root token is configured: pachd would go back to that").
			Next("read it there (auth.rootToken, bootstrap, or a variable), or change it and start pachd again")
	}
	active, _, err := s.isActive(ctx)
	switch {
	case err != nil:
		return err
	case !active:
		return fault.New(fault.Precondition, "authentication is not activated, and there is no root token").
			Next("activate it with: pachctl auth activate")
	}
	root := token.New()
	if err := writeRoot(s.with.RootFile, root); err != nil {
		return err
	}
	return s.with.DB.Update(ctx, func(tx *db.Tx) error {
		if err := s.replaceRoot(ctx, tx, root); err != nil {
			return err
		}
		return s.By(principal.Root).Record(ctx, tx, "token.recover-root", principal.Root.String(), "on pachd's machine")
	})
}

// replaceRoot ends all root tokens but the given one.
func (s *Service) replaceRoot(ctx context.Context, tx *db.Tx, root secret.Text) error {
	if _, err := token.RevokeAllOf(ctx, tx, principal.Root); err != nil {
		return err
	}
	err := token.Put(ctx, tx, root, token.Info{Subject: principal.Root, Created: s.with.Now()}, 0)
	if fault.Is(err, fault.Exists) {
		err = fault.New(fault.Exists, "this token is already in use by another principal").
			Next("choose a different one").At("root_token")
	}
	return err
}

// chosenRoot is the given root token, or one that is made. Fault: Invalid.
func chosenRoot(given secret.Text) (secret.Text, error) {
	switch {
	case given == "":
		return token.New(), nil
	case len(given) < secret.MinLength:
		return "", fault.New(fault.Invalid, "the root token is too short to be a secret").
			Next("use at least %d characters, better 32 random ones", secret.MinLength).At("root_token")
	}
	return given, nil
}

// RotateRoot ends the root token in use; the new one is the given one, or one
// that is made. Faults: Invalid, Exists, Precondition.
func (s *Service) RotateRoot(ctx context.Context, by principal.Name, given secret.Text) (secret.Text, error) {
	if s.with.RootToken != "" {
		return "", fault.New(fault.Precondition, "RotateRootToken() is disabled when the root token is configured in the environment").
			Next("change it there, and start pachd again")
	}
	root, err := chosenRoot(given)
	if err != nil {
		return "", err
	}
	return root, s.with.DB.Update(ctx, func(tx *db.Tx) error {
		if err := s.replaceRoot(ctx, tx, root); err != nil {
			return err
		}
		return s.By(by).Record(ctx, tx, "token.rotate-root", principal.Root.String(), "")
	})
}

// Activate makes whoever calls the administrator of a pachd that has none: with
// the token they give, or one that is made. Faults: Unimplemented, in upstream's
// words, if there is one; Invalid, Exists.
func (s *Service) Activate(ctx context.Context, given secret.Text) (secret.Text, error) {
	root, err := chosenRoot(given)
	return root, s.with.DB.Update(ctx, func(tx *db.Tx) error {
		switch active, failed := access.IsActive(ctx, tx); {
		case failed != nil:
			return failed
		case active:
			return fault.New(fault.Unimplemented, "the auth service is already activated")
		case err != nil:
			return err
		}
		if err := access.Activate(ctx, tx); err != nil {
			return err
		}
		if err := s.replaceRoot(ctx, tx, root); err != nil {
			return err
		}
		return s.By(principal.Root).Record(ctx, tx, "auth.activate", "cluster", "")
	})
}

// Deactivate forgets who may do what: roles, tokens, trusts and groups, and whatever
// else is to be forgotten with them. What the identity service has stays.
func (s *Service) Deactivate(ctx context.Context, by principal.Name, also func(context.Context, *db.Tx) error) error {
	return s.with.DB.UpdateBulk(ctx, func(tx *db.Tx) error {
		for _, forget := range []func(context.Context, *db.Tx) error{
			access.Deactivate, token.DeleteAll, trust.DeleteAll, identity.DeleteGroups, forgetDeclared, also,
		} {
			if err := forget(ctx, tx); err != nil {
				return err
			}
		}
		return s.By(by).Record(ctx, tx, "auth.deactivate", "cluster", "")
	})
}

// rootSession is how long a session of the root token lives.
const rootSession = time.Hour

// BeginRoot gives a session that ends to whoever shows the root token itself: what a
// browser keeps must not be good for ever. Fault: Denied.
func (s *Service) BeginRoot(ctx context.Context, by Caller) (raw secret.Text, expires time.Time, err error) {
	if by.Name != principal.Root || !by.Token.Expires.IsZero() {
		return "", expires, fault.New(fault.Denied, "only the root token begins such a session").
			Next("sign in with an identity provider")
	}
	now := s.with.Now()
	err = s.with.DB.Update(ctx, func(tx *db.Tx) error {
		if raw, err = token.Issue(ctx, tx, token.Info{Subject: principal.Root, Created: now}, rootSession); err != nil {
			return err
		}
		return s.By(principal.Root).Record(ctx, tx, "login", principal.Root.String(), "session of "+rootSession.String())
	})
	return raw, now.Add(rootSession), err
}
