package setuplink

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"time"

	"pachyderm/internal/connector"
	"pachyderm/internal/connector/probe"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/connectortest"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/secret"
)

// What the holder of a link does. Each takes the key of the browser that began.

// errOver is the answer for a key that is none, whatever the reason.
func errOver() error {
	return fault.New(fault.NotFound, "this set-up link is over, was opened in another browser, or is none").
		Next("ask whoever sent it for another")
}

// Begin opens a link in one browser, and returns the key of it: from then on the link
// opens nothing any more. Fault: NotFound.
func (s *Service) Begin(ctx context.Context, token secret.Text) (key secret.Text, l Link, err error) {
	key = secret.Text(rand.Text())
	l, err = s.hold(ctx, token, "begin", func(l *Link) error {
		if l.State != Sent {
			return errOver()
		}
		l.State, l.keyHash = Begun, secret.Hash(key.Reveal())
		return nil
	})
	return key, l, err
}

// Held is the link of a key. Fault: NotFound.
func (s *Service) Held(ctx context.Context, key secret.Text) (l Link, err error) {
	err = s.with.DB.View(ctx, func(tx *db.Tx) error {
		l, err = s.heldIn(ctx, tx, key)
		return err
	})
	if err != nil {
		return l, err
	}
	if l.State == Sent {
		return l, errOver() // the link itself shows nothing
	}
	l.body, err = s.unseal(l)
	return l, err
}

func (s *Service) heldIn(ctx context.Context, tx *db.Tx, key secret.Text) (Link, error) {
	l, err := linkByKey(ctx, tx, secret.Hash(key.Reveal()), s.with.Now())
	if fault.Is(err, fault.NotFound) {
		return l, errOver()
	}
	return l, err
}

func (s *Service) hold(ctx context.Context, key secret.Text, action string, f func(*Link) error) (l Link, err error) {
	look := func(tx *db.Tx) error { _, err := s.heldIn(ctx, tx, key); return err }
	if err := s.with.DB.View(ctx, look); err != nil {
		return l, err // a stranger takes no turn at writing
	}
	err = s.with.DB.Update(ctx, func(tx *db.Tx) error {
		if l, err = s.heldIn(ctx, tx, key); err != nil {
			return err
		}
		return s.changeIn(ctx, tx, l, l.holder(), action, func(next *Link) error {
			err := f(next)
			l = *next
			return err
		})
	})
	return l, err
}

// write keeps a document of the holder's, unless it was handed in. Faults: NotFound,
// Invalid, Precondition.
func (s *Service) write(ctx context.Context, key secret.Text, action string, config map[string]any, note func(*Link) error) (Link, error) {
	text, err := json.Marshal(config)
	if err != nil || len(text) > maxDocument {
		return Link{}, fault.New(fault.Invalid, "the document is larger than %d KiB", maxDocument>>10).Next("leave out what is not needed")
	}
	return s.hold(ctx, key, action, func(l *Link) error {
		if l.State != Begun {
			return errHandedIn(*l)
		}
		l.body.Document = config
		return note(l)
	})
}

// attempt notes that the holder has pachd connect to where a document says. Faults:
// those of write; Exhausted.
func (s *Service) attempt(ctx context.Context, key secret.Text, action string, config map[string]any, note func(*Prepared)) (Link, error) {
	return s.write(ctx, key, action, config, func(l *Link) error {
		if l.Attempts >= maxAttempts {
			return fault.New(fault.Exhausted, "a set-up link is good for %d checks and tests", maxAttempts).Next("ask whoever sent it for another")
		}
		l.Attempts++
		note(&l.body)
		return nil
	})
}

func errHandedIn(l Link) error {
	if l.State == Sent {
		return errOver()
	}
	return fault.New(fault.Precondition, "this set-up was handed in, and cannot be changed any more").
		Next("ask whoever sent the link for another")
}

// deps are those of documents of the holder.
func (s *Service) deps(l Link) connector.Deps { return s.with.Deps().ForOutsider(l.reach()) }

// checkNothingLive keeps a holder from what is stored of a connector that was made
// under the same id meanwhile.
func (s *Service) checkNothingLive(ctx context.Context, l Link, config map[string]any) (registry.Row, error) {
	tested, live, err := s.with.Registry.ForTest(ctx, l.connectorOf(config))
	if live != nil {
		return registry.Row{}, fault.New(fault.Precondition, "there is a connector %s by now", l.Connector).
			Next("ask whoever sent the link for another")
	}
	return tested, err
}

// Check looks, step by step, at what a sign-in with a document will need. Faults:
// NotFound, Invalid, Precondition, Exhausted.
func (s *Service) Check(ctx context.Context, key secret.Text, config map[string]any) ([]probe.Step, error) {
	l, err := s.attempt(ctx, key, "check", config, func(p *Prepared) { p.Steps = nil })
	if err != nil {
		return nil, err
	}
	if _, err := s.checkNothingLive(ctx, l, config); err != nil {
		return nil, err
	}
	steps := connector.Check(ctx, l.Connector, l.Type, config, s.deps(l))
	_, err = s.hold(ctx, key, "", func(l *Link) error {
		if l.State == Begun && fingerprint(l.body.Document) == fingerprint(config) {
			l.body.Steps = steps
		}
		return nil
	})
	return steps, err
}

// StartTest begins a sign-in with a document. Faults: those of Check and of opening a
// connector.
func (s *Service) StartTest(ctx context.Context, key secret.Text, config map[string]any) (id string, expires time.Time, err error) {
	l, err := s.attempt(ctx, key, "test", config, func(p *Prepared) { p.TestID = "" })
	if err != nil {
		return "", expires, err
	}
	tested, err := s.checkNothingLive(ctx, l, config)
	if err != nil {
		return "", expires, err
	}
	id, expires, err = s.with.Tests.StartByOutsider(ctx, l.holder(), tested, l.reach())
	if err != nil {
		return "", expires, err
	}
	_, err = s.hold(ctx, key, "", func(l *Link) error {
		l.body.TestID, l.body.Testing = secret.Hash(id), fingerprint(config)
		return nil
	})
	return id, expires, err
}

// WaitTest waits a while for the end of a test. Fault: NotFound.
func (s *Service) WaitTest(ctx context.Context, key secret.Text, id string) (r connectortest.Result, done bool, err error) {
	l, err := s.Held(ctx, key)
	if err != nil {
		return r, false, err
	}
	r, done, err = s.with.Tests.Wait(ctx, l.holder(), id)
	if err != nil || !done || r.Error != "" {
		return r, done, err
	}
	_, err = s.hold(ctx, key, "", func(l *Link) error {
		if l.State == Begun && secret.Same(l.body.TestID, secret.Hash(id)) {
			l.body.Tested, l.body.User, l.body.Groups = l.body.Testing, r.User, r.Groups
		}
		return nil
	})
	return r, true, err
}

// Submit hands a document in. Faults: NotFound, Precondition, and those of opening it.
func (s *Service) Submit(ctx context.Context, key secret.Text, config map[string]any) error {
	l, err := s.Held(ctx, key)
	if err != nil {
		return err
	}
	if l.State != Begun {
		return errHandedIn(l)
	}
	if _, err := s.checkNothingLive(ctx, l, config); err != nil {
		return err
	}
	if err := connector.CheckSecrets(l.Type, config); err != nil {
		return err
	}
	if _, err := connector.Open(l.Connector, l.Type, config, s.deps(l)); err != nil {
		return err
	}
	_, err = s.write(ctx, key, "submit", config, func(l *Link) error { l.State = Submitted; return nil })
	return err
}
