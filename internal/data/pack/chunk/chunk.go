package chunk

const (
	// Min and Max are how long chunks are, in bytes, but for the last of a file, which may
	// be shorter.
	Min = 512 << 10
	Max = 8 << 20
	// usual is from where cuts are made likelier, so that most chunks are about 2 MiB long.
	usual = 3 << 19
	// window is how many bytes a cut depends on.
	window = 64

	before = uint64(1<<22-1) << (64 - 22) // one cut in 4 MiB
	after  = uint64(1<<20-1) << (64 - 20) // one cut in 1 MiB
)

// Cutter finds where chunks end. The pieces that the bytes come in make no difference.
type Cutter struct {
	gear *[256]uint64
	n    int // bytes of this chunk so far
	hash uint64
}

// New makes one that is at the beginning of a chunk.
func New(gear *[256]uint64) Cutter { return Cutter{gear: gear} }

// Next is how many of the following bytes belong to the chunk, and whether it ends
// with them.
func (c *Cutter) Next(p []byte) (used int, end bool) {
	i := min(len(p), max(0, Min-window-c.n))
	h := c.hash
	for i < len(p) {
		limit, mask := phase(c.n + i)
		stop := min(len(p), limit-c.n)
		for ; i < stop; i++ {
			h = h<<1 + c.gear[p[i]]
			if h&mask == 0 {
				c.n, c.hash = 0, 0
				return i + 1, true
			}
		}
		if c.n+i == Max {
			c.n, c.hash = 0, 0
			return i, true
		}
	}
	c.n, c.hash = c.n+len(p), h
	return len(p), false
}

// phase is until where in the chunk which bits of the hash end it.
func phase(at int) (limit int, mask uint64) {
	switch {
	case at < Min:
		return Min, ^uint64(0)
	case at < usual:
		return usual, before
	}
	return Max, after
}
