package limit

// MaxKeys is how many networks a table of rates remembers.
const MaxKeys = maxKeys

// Keys is how many networks have done something of a kind.
func (l *Limits) Keys(k Kind) int { return len(l.byKind[k].byKey) }

// Remembered is of how many networks and things there are places taken.
func (p *Places) Remembered() int { return len(p.taken) + p.total }
