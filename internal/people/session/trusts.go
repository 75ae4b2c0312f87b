package session

import (
	"context"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/people/token"
	"pachyderm/internal/people/trust"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
)

// A trust is the standing word of whoever made it that its workloads are the
// robot. It is good for as long as they could make a token of the robot by
// themselves: once they are disabled or lose the roles that let them, or the
// robot gets some that they could not grant, it gives no more tokens.

// CreateTrust stores a trust that trust.Trust.Check has passed. Faults: Exists;
// Denied for a robot with roles that the caller could not grant.
func (s *Service) CreateTrust(ctx context.Context, by Caller, t trust.Trust) error {
	t.CreatedBy, t.Created = by.subject(), s.with.Now()
	return s.with.DB.Update(ctx, func(tx *db.Tx) error {
		switch may, err := mayCreateToken(ctx, tx, by, t.Robot); {
		case err != nil:
			return err
		case !may:
			return errBeyond(t.Robot, by.Name)
		}
		return trust.Create(ctx, tx, s.By(by.Name), t)
	})
}

// DeleteTrust removes a trust, and ends the tokens that came of it. Fault:
// NotFound.
func (s *Service) DeleteTrust(ctx context.Context, by principal.Name, id string) error {
	return s.with.DB.Update(ctx, func(tx *db.Tx) error {
		if err := trust.Delete(ctx, tx, s.By(by), id); err != nil {
			return err
		}
		return token.RevokeOfGrant(ctx, tx, trust.GrantID(id))
	})
}

// Warranted says whether a trust still gives tokens. Fault: Denied, with the
// reason.
func (s *Service) Warranted(ctx context.Context, t trust.Trust) error {
	roles, err := s.Roles(ctx)
	if err != nil {
		return err
	}
	return s.with.DB.View(ctx, func(tx *db.Tx) error { return warranted(ctx, tx, Caller{Name: t.CreatedBy, Roles: roles}, t) })
}

func warranted(ctx context.Context, tx *db.Tx, creator Caller, t trust.Trust) error {
	_, err := identity.Gate(ctx, tx, creator.Name, "")
	if fault.Is(err, fault.Unauthenticated) {
		return fault.New(fault.Denied, "%s, who made the trust %s, may not act any more", creator.Name, t.ID).Next("%s", renewTrust)
	}
	if err != nil {
		return err
	}
	if creator.Groups, err = identity.Groups(ctx, tx, creator.Name); err != nil {
		return err
	}
	switch may, err := mayCreateToken(ctx, tx, creator, t.Robot); {
	case err != nil:
		return err
	case !may:
		return fault.New(fault.Denied, "%s has roles that %s, who made the trust %s, could not grant", t.Robot, creator.Name, t.ID).
			Next("%s", renewTrust)
	}
	return nil
}

const renewTrust = "somebody who could grant the robot's roles deletes the trust and creates it anew"

// FromTrust makes a token of a trust's robot for a workload whose token has been
// found to match, which is called as in the audit. Faults: those of Warranted;
// NotFound for a trust that was deleted meanwhile.
func (s *Service) FromTrust(ctx context.Context, t trust.Trust, workload string) (raw secret.Text, ttl time.Duration, err error) {
	roles, err := s.Roles(ctx)
	if err != nil {
		return "", 0, err
	}
	if ttl = t.TTL; s.with.RobotTTL > 0 {
		ttl = min(ttl, s.with.RobotTTL)
	}
	err = s.with.DB.Update(ctx, func(tx *db.Tx) error {
		if err := warranted(ctx, tx, Caller{Name: t.CreatedBy, Roles: roles}, t); err != nil {
			return err
		}
		if err := trust.Confirm(ctx, tx, t); err != nil {
			return err
		}
		raw, err = token.Issue(ctx, tx, token.Info{
			Subject: t.Robot, GrantID: trust.GrantID(t.ID), CreatedBy: t.CreatedBy, Created: s.with.Now(),
		}, ttl)
		if err != nil {
			return err
		}
		return s.By(t.Robot).Record(ctx, tx, "token.exchange", "trust/"+t.ID, workload)
	})
	return raw, ttl, err
}
