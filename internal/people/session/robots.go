package session

import (
	"context"
	"maps"
	"slices"
	"time"

	"pachyderm/internal/access"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/managed"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/people/past"
	"pachyderm/internal/people/token"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
)

// Whoever has a token of a robot is the robot. So a token is made only by those
// who could have given the robot its roles, or who may make its tokens by the
// word of somebody who could (Allow); and a new role ends the tokens of all
// others.

// maxTTL is a hundred years in seconds. Much more would wrap round, to a token
// that never expires.
const maxTTL = 100 * 365 * 24 * 3600

// ForRobot makes a token of a robot that lives for ttl seconds, or for ever if
// ttl is 0. Faults: Invalid; Denied for a robot with roles that the caller could
// not grant.
func (s *Service) ForRobot(ctx context.Context, by Caller, robot string, ttl int64) (raw secret.Text, err error) {
	who, err := principal.OfRobot(robot)
	if err != nil {
		return "", err
	}
	if ttl < 0 || ttl > maxTTL {
		return "", fault.New(fault.Invalid, "ttl is %d seconds", ttl).
			Next("set 1 to %d, or 0 for a token that never expires", maxTTL).At("ttl")
	}
	if limit := s.with.RobotTTL; limit > 0 && (ttl == 0 || ttl > int64(limit/time.Second)) {
		return "", fault.New(fault.Invalid, "a token of a robot may live for at most %s here (auth.robotTokenTTL)", limit).
			Next("set --ttl to that or less").At("ttl")
	}
	err = s.with.DB.Update(ctx, func(tx *db.Tx) error {
		switch may, err := mayCreateToken(ctx, tx, by, who); {
		case err != nil:
			return err
		case !may:
			return errBeyond(who, by.Name)
		}
		raw, err = token.Issue(ctx, tx, token.Info{Subject: who, CreatedBy: by.subject(), Created: s.with.Now()}, time.Duration(ttl)*time.Second)
		if err != nil {
			return err
		}
		return s.By(by.Name).Record(ctx, tx, "token.robot", who.String(), "")
	})
	return raw, err
}

func errBeyond(robot, by principal.Name) error {
	return fault.New(fault.Denied, "%s has roles that %s could not grant, so a token of it would give more than was granted", robot, by).
		Next("an administrator can allow it with: pachctl auth allow-robot %s --by %s", robot.Local(), by)
}

// mayCreateToken reports whether somebody may make tokens of a robot.
func mayCreateToken(ctx context.Context, tx *db.Tx, by Caller, robot principal.Name) (bool, error) {
	creators, err := token.Creators(ctx, tx, robot)
	if err != nil {
		return false, err
	}
	if slices.ContainsFunc(creators, func(d principal.Name) bool { return by.Is(d) || slices.Contains(by.Groups, d) }) {
		return true, nil
	}
	groups, err := identity.Groups(ctx, tx, robot)
	if err != nil {
		return false, err
	}
	for _, name := range append(groups, robot) {
		bound, err := access.RolesOf(ctx, tx, name)
		if err != nil {
			return false, err
		}
		on := slices.Collect(maps.Keys(bound))
		if slices.ContainsFunc(on, func(r access.Resource) bool { return by.AuthorizeBind(r) != nil }) {
			return false, nil
		}
	}
	return true, nil
}

// endUnwarranted ends the tokens of a robot whose makers could not make them now.
// Nobody knows who made those from before makers were recorded.
func endUnwarranted(ctx context.Context, tx *db.Tx, roles *access.Index, robot principal.Name) error {
	may := map[principal.Name]bool{"": false}
	return db.EachPage(func(p db.Page) (string, error) {
		held, next, err := token.PageOf(ctx, tx, robot, p)
		if err != nil {
			return "", err
		}
		for _, t := range held {
			if _, known := may[t.CreatedBy]; !known {
				by := Caller{Name: t.CreatedBy, Roles: roles}
				if by.Groups, err = identity.Groups(ctx, tx, by.Name); err != nil {
					return "", err
				}
				if may[t.CreatedBy], err = mayCreateToken(ctx, tx, by, robot); err != nil {
					return "", err
				}
			}
			if may[t.CreatedBy] {
				continue
			}
			if _, err := token.Revoke(ctx, tx, t.Hash); err != nil {
				return "", err
			}
		}
		return next, nil
	})
}

// endUnwarrantedOf is endUnwarranted for a robot, or for the robots of a group.
func endUnwarrantedOf(ctx context.Context, tx *db.Tx, roles *access.Index, who principal.Name) error {
	switch who.Kind() {
	case principal.Robot:
		return endUnwarranted(ctx, tx, roles, who)
	case principal.Group:
		return db.EachPage(func(p db.Page) (string, error) {
			members, next, err := identity.Members(ctx, tx, who.String(), p)
			if fault.Is(err, fault.NotFound) {
				return "", nil
			}
			for _, member := range members {
				if err == nil && member.Kind() == principal.Robot {
					err = endUnwarranted(ctx, tx, roles, member)
				}
			}
			return next, err
		})
	}
	return nil
}

// Bind gives a principal exactly these roles on a resource. Faults: those of
// Caller.AuthorizeBind and access.Set.
func (s *Service) Bind(ctx context.Context, by Caller, r access.Resource, who principal.Name, roles []string) error {
	if err := by.AuthorizeBind(r); err != nil {
		return err
	}
	return s.with.DB.Update(ctx, func(tx *db.Tx) error {
		if r.Type == access.Cluster {
			if err := managed.Check(ctx, tx, managed.RoleBinding, who.String(), "auth.ModifyRoleBinding"); err != nil {
				return err
			}
		}
		if err := access.Set(ctx, tx, s.By(by.Name), r, who, roles); err != nil {
			return err
		}
		return endUnwarrantedOf(ctx, tx, by.Roles, who)
	})
}

// SetGroups makes these the groups that administrators say a principal is in.
// Faults: those of identity.SetGroups.
func (s *Service) SetGroups(ctx context.Context, by Caller, who principal.Name, groups []string) error {
	return s.with.DB.Update(ctx, func(tx *db.Tx) error {
		err := past.Recording(ctx, tx, s.By(by.Name), []principal.Name{who}, func() error {
			return identity.SetGroups(ctx, tx, s.By(by.Name), who, groups)
		})
		if err != nil {
			return err
		}
		return endUnwarrantedOf(ctx, tx, by.Roles, who)
	})
}

// ModifyMembers adds principals to a group, and then removes some. Faults: those
// of identity.ModifyMembers.
func (s *Service) ModifyMembers(ctx context.Context, by Caller, group string, add, remove []principal.Name) error {
	return s.with.DB.Update(ctx, func(tx *db.Tx) error {
		all := slices.Concat(add, remove)
		slices.Sort(all)
		err := past.Recording(ctx, tx, s.By(by.Name), slices.Compact(all), func() error {
			return identity.ModifyMembers(ctx, tx, s.By(by.Name), group, add, remove)
		})
		if err != nil {
			return err
		}
		for _, who := range add {
			if err := endUnwarrantedOf(ctx, tx, by.Roles, who); err != nil {
				return err
			}
		}
		return nil
	})
}

// Allow lets somebody, or a group, make tokens of a robot, whatever its roles;
// or takes that back, which ends what only that allowed. Fault: Invalid.
func (s *Service) Allow(ctx context.Context, by Caller, robot string, creator principal.Name, remove bool) error {
	who, err := principal.OfRobot(robot)
	if err != nil {
		return err
	}
	return s.with.DB.Update(ctx, func(tx *db.Tx) error {
		if !remove {
			if err := token.AllowCreator(ctx, tx, who, creator); err != nil {
				return err
			}
			return s.By(by.Name).Record(ctx, tx, "robot.allow", who.String(), creator.String())
		}
		if err := token.RemoveCreator(ctx, tx, who, creator); err != nil {
			return err
		}
		if err := endUnwarranted(ctx, tx, by.Roles, who); err != nil {
			return err
		}
		return s.By(by.Name).Record(ctx, tx, "robot.disallow", who.String(), creator.String())
	})
}

// Robots lists the tokens of robots, also those that have expired and are not
// deleted yet: what a backup of them consists of.
func (s *Service) Robots(ctx context.Context) ([]token.Info, error) {
	all, err := db.All(ctx, s.with.DB.View, token.Page)
	return slices.DeleteFunc(all, func(t token.Info) bool { return t.Subject.Kind() != principal.Robot }), err
}

// Restore brings back a token of which only the hash is known. Faults: those of
// token.Restore.
func (s *Service) Restore(ctx context.Context, by principal.Name, info token.Info) error {
	return s.with.DB.Update(ctx, func(tx *db.Tx) error {
		info.CreatedBy = by
		if err := token.Restore(ctx, tx, info, s.with.Now()); err != nil {
			return err
		}
		return s.By(by).Record(ctx, tx, "token.restore", "token/"+info.Hash[:8], info.Subject.String())
	})
}
