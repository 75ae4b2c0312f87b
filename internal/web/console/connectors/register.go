package connectors

import (
	"regexp"
	"strings"
)

// step is one thing to do at the provider: sentences, and between them what is to be
// pasted there.
type step struct {
	Parts []part
}

type part struct {
	Text  string
	Paste bool // exactly
	ID    string
}

var numbered = regexp.MustCompile(`^ ?\d+\. (.*)$`)

// stepsOf reads what a preset says to register: a sentence, then numbered steps, in
// which what stands further in is to be pasted.
func stepsOf(register string) (intro string, steps []step) {
	// What the command leaves to its reader is a form here.
	register = strings.ReplaceAll(register, " into the document", " into the form below")
	for line := range strings.Lines(strings.TrimSpace(register)) {
		line = strings.TrimRight(line, "\n")
		text := strings.TrimSpace(line)
		if found := numbered.FindStringSubmatch(line); found != nil {
			steps = append(steps, step{[]part{{Text: found[1]}}})
			continue
		}
		if len(steps) == 0 {
			intro = strings.TrimSpace(intro + " " + text)
			continue
		}
		if text == "" {
			continue
		}
		steps[len(steps)-1].add(text, strings.HasPrefix(line, "      "))
	}
	name(steps)
	return intro, steps
}

func (s *step) add(text string, paste bool) {
	last := &s.Parts[len(s.Parts)-1]
	switch {
	case last.Paste && paste:
		last.Text += "\n" + text
	case !last.Paste && !paste:
		last.Text += " " + text
	default:
		s.Parts = append(s.Parts, part{Text: text, Paste: paste})
	}
}

// name gives what is to be pasted the names that copy buttons know it by.
func name(steps []step) {
	n := 0
	for i := range steps {
		for j := range steps[i].Parts {
			if steps[i].Parts[j].Paste {
				n++
				steps[i].Parts[j].ID = "paste-" + string(rune('a'+n-1))
			}
		}
	}
}
