package guess

// MaxCounters is how many counters the table may hold.
const MaxCounters = maxCounters

// InMemory is how many counters are there.
func (g *Guesses) InMemory() int { return len(g.counters.(*memory).all) }
