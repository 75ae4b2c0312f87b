package records

import "testing"

func TestCell_IsNoFormula(t *testing.T) {
	for _, text := range []string{
		"=1+1", "+1", "-1", "@SUM(A1)", " =1+1", "\n=1+1", "\t=1+1", "\r=1+1", "\r\n =1+1", "\u00a0=1+1", "\u200b=1+1", "\ufeff=1+1", "\x00=1+1", "\x1b@a", "＝1+1",
		"\t1", "\r1", "\n1",
	} {
		if got := cell(text); got != "'"+text {
			t.Errorf("cell(%q) = %q", text, got)
		}
	}
	for _, text := range []string{"", " ", "user:alice@example.com", "a=1", " a", "é", "1-1"} {
		if got := cell(text); got != text {
			t.Errorf("cell(%q) = %q", text, got)
		}
	}
}
