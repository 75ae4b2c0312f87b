package pack

// Content-defined chunks: where a file is cut follows from the bytes before the cut
// alone (FastCDC), so that what stands in two files, or before and after a change, is
// cut alike. The table is the installation's secret: the lengths of chunks say nothing.
const (
	minChunk = 512 << 10
	// usualChunk is from where cuts are made likelier, so that most chunks are about
	// 2 MiB long.
	usualChunk = 3 << 19
	maxChunk   = MaxBlob
	// window is how many bytes a cut depends on.
	window = 64

	before = uint64(1<<22-1) << (64 - 22) // one cut in 4 MiB
	after  = uint64(1<<20-1) << (64 - 20) // one cut in 1 MiB
)

// cutter finds where chunks end. The pieces that the bytes come in make no difference.
type cutter struct {
	gear *[256]uint64
	n    int // bytes of this chunk so far
	hash uint64
}

// next is how many of the following bytes belong to the chunk, and whether it ends
// with them.
func (c *cutter) next(p []byte) (used int, end bool) {
	i := min(len(p), max(0, minChunk-window-c.n))
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
		if c.n+i == maxChunk {
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
	case at < minChunk:
		return minChunk, ^uint64(0)
	case at < usualChunk:
		return usualChunk, before
	}
	return maxChunk, after
}
