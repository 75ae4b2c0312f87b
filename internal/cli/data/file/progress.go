package file

import (
	"time"

	"pachyderm/internal/cli/data/show"
	"pachyderm/internal/cli/kit"
)

// redrawn is how often the line is written at most.
const redrawn = 200 * time.Millisecond

// progress tells somebody at a terminal, on one line, how far it is.
type progress struct {
	k     *kit.Kit
	on    bool
	total int64 // bytes, 0 for not known

	bytes int64
	files int
	drawn time.Time
}

func newProgress(k *kit.Kit, total int64) *progress {
	return &progress{k: k, on: show.OnTerminal(k.Stderr), total: total}
}

// add counts bytes.
func (p *progress) add(bytes int) {
	p.bytes += int64(bytes)
	if now := p.k.Now(); p.on && now.Sub(p.drawn) >= redrawn {
		p.drawn = now
		p.draw()
	}
}

func (p *progress) draw() {
	text := show.Size(p.bytes)
	if p.total > 0 {
		text += " of " + show.Size(p.total)
	}
	p.k.Notef("\r\x1b[K%s, %s", plural(p.files, "file"), text)
}

// end leaves the line as it is at the end.
func (p *progress) end() {
	if p.on && !p.drawn.IsZero() {
		p.draw()
		p.k.Notef("\n")
	}
}
