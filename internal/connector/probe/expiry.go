package probe

import (
	"maps"
	"slices"
	"time"
)

// Expiry is something of a connector that ends.
type Expiry struct {
	What string // such as "client secret" or "certificate of idp.example.com"
	Ends time.Time
}

// ExpiriesOf are those of the certificates of servers, by host.
func ExpiriesOf(certificates map[string]time.Time) (all []Expiry) {
	for _, host := range slices.Sorted(maps.Keys(certificates)) {
		all = append(all, Expiry{"certificate of " + host, certificates[host]})
	}
	return all
}
