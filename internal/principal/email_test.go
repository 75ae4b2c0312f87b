package principal_test

import (
	"testing"

	"pachyderm/internal/principal"
)

func TestIsEmail(t *testing.T) {
	for _, good := range []string{"a@b", "Jane.Doe+tag@Example.COM", "o'hara@x.test", "jörg@müller.test", "x@xn--mller-kva.test", "a@localhost"} {
		if !principal.IsEmail(good) {
			t.Errorf("%q was refused", good)
		}
	}
	for _, bad := range []string{"", "a", "a@", "@b", "a@b@c", `"a b"@c`, "a(x)@b", "a@[127.0.0.1]", "a@b..c", ".a@b", "a b@c", "a@b\n"} {
		if principal.IsEmail(bad) {
			t.Errorf("%q was accepted", bad)
		}
	}
}
