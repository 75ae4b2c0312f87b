package connector

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"golang.org/x/net/idna"

	"pachyderm/internal/connector/document"
	"pachyderm/internal/connector/refuse"
	"pachyderm/internal/strict"
)

// common are the keys of config that every type has.
type common struct {
	EmailDomains []string `json:"emailDomains" doc:"e-mail domains, such as example.com, whose people are sent to this provider"`
}

func keysOfCommon() []document.Key { return document.Keys(reflect.TypeFor[common]()) }

// EmailDomains are the e-mail domains of a document whose people are sent to
// it, as DNS writes them. Fault: Invalid.
func EmailDomains(config map[string]any) ([]string, error) {
	given := map[string]any{}
	for _, k := range keysOfCommon() {
		if v, ok := config[k.Path]; ok {
			given[k.Path] = v
		}
	}
	var c common
	if err := strict.DecodeValue(given, &c, "config"); err != nil {
		return nil, err
	}
	var domains []string
	for n, written := range c.EmailDomains {
		domain, err := idna.Lookup.ToASCII(strings.ToLower(written))
		if err != nil || !strings.Contains(domain, ".") || strings.HasSuffix(domain, ".") {
			return nil, refuse.Config(fmt.Sprintf("emailDomains[%d]", n), "emailDomains: %q is not a domain", written).
				Next("write one such as example.com, without the @")
		}
		domains = append(domains, domain)
	}
	return slices.Compact(slices.Sorted(slices.Values(domains))), nil
}

// DomainOf is the domain of an e-mail address as EmailDomains writes it, or "".
func DomainOf(email string) string {
	local, domain, found := strings.Cut(strings.ToLower(strings.TrimSpace(email)), "@")
	ascii, err := idna.Lookup.ToASCII(domain)
	if !found || local == "" || err != nil {
		return ""
	}
	return ascii
}
