package file

import "pachyderm/internal/data/pack"

const (
	// light is how many bytes a session may have been given before it needs turns: most
	// have little to say, and are over at once.
	light = 64 << 10
	// perEdit is about how many bytes of memory an edit takes besides its path.
	perEdit = 320
	// fewEdits is how many a session keeps in memory when it gives back the rest.
	fewEdits = 100
)

// atWork does what a caller asks for, when it is the session's turn: the memory of all
// sessions together is bounded. bytes is how much it is given for that.
func (s *Session) atWork(bytes int, f func() error) error {
	if s.given += bytes; s.given < light {
		return f()
	}
	if err := s.turns.Begin(s.ctx); err != nil {
		return err
	}
	defer func() { s.turns.End(s.kept()) }()
	s.over = false
	if s.gaveBack != nil {
		return s.gaveBack
	}
	if s.open.file != nil {
		if err := s.open.file.Resume(); err != nil {
			return err
		}
	}
	return f()
}

// kept is about how many bytes of memory the session has.
func (s *Session) kept() int64 {
	if s.over {
		return 0
	}
	n := s.packs.Kept() + int64(len(s.edits))*perEdit + s.named
	if s.open.file != nil {
		n += s.open.file.Kept()
	}
	return n
}

// giveBack has the session keep little memory, while nobody is at work with it.
func (s *Session) giveBack() {
	if s.open.file != nil {
		s.gaveBack = s.open.file.GiveBack()
	}
	if s.gaveBack == nil && len(s.edits) > fewEdits {
		s.gaveBack = s.settle()
	}
	if s.gaveBack == nil {
		s.gaveBack = s.packs.GiveBack()
	}
}

// room makes a tree of the edits, if there are as many as a session keeps in memory.
func (s *Session) room() error {
	if len(s.edits) < settleAt && s.named < settleNames {
		return nil
	}
	return s.settle()
}

// LongestLoan is the most that Add keeps of what it is given, in bytes.
const LongestLoan = pack.LongestLoan
