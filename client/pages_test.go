package client_test

import (
	"errors"
	"slices"
	"testing"

	"pachyderm/client"
)

func TestPages(t *testing.T) {
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		answers map[string]string
		err     error
		asked   []string
	}{
		"one page":                 {map[string]string{"": ""}, nil, []string{""}},
		"three":                    {map[string]string{"": "a", "a": "b", "b": ""}, nil, []string{"", "a", "b"}},
		"a server that goes round": {map[string]string{"": "a", "a": "a"}, nil, []string{"", "a"}},
		"an error":                 {map[string]string{"": "a"}, broken, []string{""}},
	} {
		var asked []string
		err := client.Pages(func(token string) (string, error) {
			asked = append(asked, token)
			return test.answers[token], test.err
		})
		if !errors.Is(err, test.err) || !slices.Equal(asked, test.asked) {
			t.Errorf("%s: asked for %q, %v", name, asked, err)
		}
	}
}
