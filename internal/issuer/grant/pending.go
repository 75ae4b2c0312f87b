package grant

import (
	"context"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/pending"
	"pachyderm/internal/secret"
)

// heldCode is a code that is being redeemed; nil for one that is not in memory.
type heldCode = *pending.Taken[Grant]

// keepCode keeps a grant in memory until its code is redeemed.
func (s *Store) keepCode(g Grant) error {
	g.inMemory = true
	size := len(g.RedirectURI) + len(g.Nonce) + len(g.ConnectorData) + len(g.Person.Email) + len(g.Person.Username)
	for _, texts := range [][]string{g.Scopes, g.Person.Groups} {
		for _, text := range texts {
			size += len(text)
		}
	}
	if !s.codes.Create(g.codeHash, pending.Item[Grant]{Value: g, Size: size, Expires: g.expires}) {
		return fault.New(fault.Exists, "the code exists already")
	}
	return nil
}

// withCode runs f, which redeems a code in a transaction, or refuses to. Nobody else
// has a code of those in memory meanwhile: the next one finds the row that f has made
// of it, and so that it was used before. What f fails to do leaves the code as it was.
func (s *Store) withCode(ctx context.Context, code string, f func(heldCode) error) error {
	held, err := s.codes.Take(ctx, secret.Hash(code))
	if err != nil {
		return err
	}
	spent := false
	defer func() { held.End(spent) }()
	err = f(held)
	spent = err == nil
	return err
}

// byCode finds the grant of a code. Fault: NotFound.
func (s *Store) byCode(ctx context.Context, tx *db.Tx, code string, held heldCode) (Grant, error) {
	if g, still := held.Value(); still {
		return g, nil
	}
	return s.rowByCode(ctx, tx, code)
}

// put stores what has become of a grant that has had a code.
func (s *Store) put(ctx context.Context, tx *db.Tx, g Grant) error {
	if g.inMemory {
		return s.insert(ctx, tx, g)
	}
	return s.update(ctx, tx, g)
}

// Unredeemed is how many grants are in memory, for their code to be redeemed.
func (s *Store) Unredeemed() int { return s.codes.Len() }

// forgetCodes ends grants whose code nobody has redeemed, for a transaction that ends
// them. Writers of a database that keeps none of them stand in line: whoever redeems one
// has made its row before, or finds it gone. Where the transaction is undone they stay
// forgotten, and their people start again.
func (s *Store) forgetCodes(which func(Grant) bool) { s.codes.DeleteWhere(which) }
