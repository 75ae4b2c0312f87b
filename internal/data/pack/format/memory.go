package format

import "sync"

// Buffers is memory of one length that nobody uses just now; the collector takes it. It
// is safe for concurrent use.
type Buffers struct {
	length int
	pool   sync.Pool
}

// NewBuffers makes Buffers of so many bytes each.
func NewBuffers(length int) *Buffers { return &Buffers{length: length} }

// Get is an empty buffer, whose memory holds what it held before.
func (p *Buffers) Get() []byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, p.length)
}

// Put has a buffer be used by others, if it is long enough: the caller does no more.
func (p *Buffers) Put(b []byte) {
	if cap(b) >= p.length {
		p.pool.Put(&b)
	}
}

// Ciphers keeps those of packs, so many of them. It is safe for concurrent use.
type Ciphers struct {
	mu  sync.Mutex
	all map[string]*Cipher
}

// mostCiphers is how many are kept.
const mostCiphers = 4096

// Of is the one of a pack, made with its key unless it is here.
func (c *Ciphers) Of(pack string, key func() ([]byte, error)) (*Cipher, error) {
	c.mu.Lock()
	one := c.all[pack]
	c.mu.Unlock()
	if one != nil {
		return one, nil
	}
	opened, err := key()
	if err != nil {
		return nil, err
	}
	if one, err = NewCipher(pack, opened); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil || len(c.all) >= mostCiphers {
		c.all = map[string]*Cipher{}
	}
	c.all[pack] = one
	return one, nil
}
