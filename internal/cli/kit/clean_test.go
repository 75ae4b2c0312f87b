package kit

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// hostile clears the screen, writes the clipboard, hides what follows, and forges a line.
const hostile = "Okta (oidc)\x1b]52;c;cm0gLXJmIH4K\x07\x1b[2J\x1b[H\u009b2J\r\nokta - Okta\u202e\u2066\u200b\u2028\u00ad\u0085x\xff"

// harmless is what a person sees of hostile.
const harmless = "Okta (oidc)]52;c;cm0gLXJmIH4K[2J[H2J  okta - Okta  x"

type named string

type speaking struct{}

func (speaking) String() string { return hostile }

// said is what a kit prints, and says beside.
func said(do func(*Kit)) (printed, noted string) {
	var out, side strings.Builder
	do(&Kit{Stdout: &out, Stderr: &side})
	return out.String(), side.String()
}

// A context may lead to a server of a stranger, and in one of ours many may name things.
func TestPrintf_CleansWhatAServerSays(t *testing.T) {
	for name, value := range map[string]any{
		"text": hostile, "named text": named(hostile), "error": errors.New(hostile), "speaking": speaking{}, "pointer": &speaking{},
	} {
		printed, noted := said(func(k *Kit) { k.Printf("\x1b[1m%s\n", value); k.Notef("\t%v\n", value) })
		if want := "\x1b[1m" + harmless + "\n"; printed != want {
			t.Errorf("%s is printed as %q, want %q", name, printed, want)
		}
		if want := "\t" + harmless + "\n"; noted != want {
			t.Errorf("%s is noted as %q, want %q", name, noted, want)
		}
	}
	printed, _ := said(func(k *Kit) {
		k.Printf("%v %v %q\n", []string{hostile}, map[string]string{hostile: "b"}, []string{"a\x1b"})
	})
	if want := "[" + harmless + "] map[" + harmless + ":b] [\"a\\x1b\"]\n"; printed != want {
		t.Errorf("lists are printed as %q, want %q", printed, want)
	}
}

func TestPrintf_LeavesOthersAsTheyAre(t *testing.T) {
	printed, _ := said(func(k *Kit) {
		k.Printf("%-4s|%4d|%.1f|%t|%v|%s|%q\n", "é", 7, 1.25, true, time.Second, "画像  😀", `a"b`)
	})
	if want := "é   |   7|1.2|true|1s|画像  😀|\"a\\\"b\"\n"; printed != want {
		t.Errorf("%q, want %q", printed, want)
	}
}

// Lines are ours, and keep their form.
func TestPrintf_LinesStay(t *testing.T) {
	printed, _ := said(func(k *Kit) { k.Printf("%s", Lines("one\u00a0\u3000\n\ttwo\x1b[2J\u202e\n")) })
	if want := "one\u00a0\u3000\n\ttwo[2J\n"; printed != want {
		t.Errorf("%q, want %q", printed, want)
	}
}

func TestPrintList_ForgesNoEntry(t *testing.T) {
	printed, _ := said(func(k *Kit) { _ = k.PrintList("", []string{"group:a\ngroup:admins\x1b[8m"}) })
	if want := "group:a group:admins[8m\n"; printed != want {
		t.Errorf("%q, want %q", printed, want)
	}
}
