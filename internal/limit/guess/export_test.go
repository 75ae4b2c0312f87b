package guess

// MaxCounters is how many counters the table may hold.
const MaxCounters = maxCounters
