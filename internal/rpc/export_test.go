package rpc

// Row is a row of the policy table, for the tests outside of the package.
type Row struct{ Public, SignedIn, Unimplemented bool }

// Policy is the policy table, and what each row needs of the cluster by name.
func Policy() (rows map[string]Row, needs map[string]string) {
	rows, needs = map[string]Row{}, map[string]string{}
	for method, r := range policy() {
		rows[method] = Row{Public: r.kind == public || r.kind == optionalToken || r.kind == publicOnceActivated, SignedIn: r.kind == signedIn || r.kind == clusterPermission || r.kind == openUntilActivated, Unimplemented: r.kind == unimplemented}
		if r.need != 0 {
			needs[method] = r.need.String()
		}
	}
	return rows, needs
}
