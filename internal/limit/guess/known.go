package guess

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"pachyderm/internal/secret"
)

const (
	// KnownFor is how long a browser that has signed in is known.
	KnownFor = 90 * 24 * time.Hour
	// knownAccounts is of how many accounts a browser is known.
	knownAccounts = 8
	day           = 24 * time.Hour
)

// Known reports whether the cookie of a browser says that it has signed in to
// an account: nobody else's guesses delay it.
func (g *Guesses) Known(account, cookie string) bool {
	return slices.ContainsFunc(g.tags(cookie), func(tag string) bool { return g.isOf(tag, account) })
}

// Remember adds an account to what the cookie of a browser says.
func (g *Guesses) Remember(account, cookie string) string {
	tags := slices.DeleteFunc(g.tags(cookie), func(tag string) bool { return g.isOf(tag, account) })
	tags = append([]string{g.tag(account, strconv.FormatInt(g.with.Now().Unix()/int64(day/time.Second), 36))}, tags...)
	return strings.Join(tags[:min(len(tags), knownAccounts)], "_")
}

// tags are the parts of a cookie, as many as it may have.
func (g *Guesses) tags(cookie string) []string {
	if cookie == "" {
		return nil
	}
	tags := strings.SplitN(cookie, "_", knownAccounts+1)
	return tags[:min(len(tags), knownAccounts)]
}

func (g *Guesses) tag(account, made string) string {
	return made + "." + g.mac("known\x00"+made+"\x00"+canonical(account))
}

func (g *Guesses) isOf(tag, account string) bool {
	made, _, _ := strings.Cut(tag, ".")
	days, err := strconv.ParseInt(made, 36, 64)
	age := g.with.Now().Sub(time.Unix(days*int64(day/time.Second), 0))
	return err == nil && age < KnownFor && age >= -day && secret.Same(tag, g.tag(account, made))
}
