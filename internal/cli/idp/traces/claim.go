package traces

import (
	"pachyderm/api/pach"
	"pachyderm/internal/cli/kit"
)

// Claim is what a provider said in a sign-in or in the test of one, as it is printed.
type Claim struct {
	Claim  string `json:"claim"`
	Value  string `json:"value"`
	UsedAs string `json:"used_as"`
}

// ClaimsOf are claims of pachd's.
func ClaimsOf(claims []*pach.TestedClaim) (all []Claim) {
	for _, c := range claims {
		all = append(all, Claim{c.GetName(), c.GetValue(), c.GetUsedAs()})
	}
	return all
}

// PrintClaims prints them as a table.
func PrintClaims(k *kit.Kit, claims []Claim) {
	var rows [][]string
	for _, c := range claims {
		rows = append(rows, []string{c.Claim, kit.OrDash(c.Value), kit.OrDash(c.UsedAs)})
	}
	k.Table([]string{"CLAIM", "VALUE", "USED AS"}, rows)
}
