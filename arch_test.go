package pachyderm_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// areas are the parts that internal has. A package may import whatever is in the
// areas that its own may; what else it may, and what of its own area, mayImport says.
// What an area never imports no row of mayImport can allow.
var areas = []struct {
	name    string
	folders []string // those that end in / with all below them
	may     []string
	never   []string
}{
	{name: "ground", folders: []string{
		"internal/claimlog", "internal/fault", "internal/fetch", "internal/principal", "internal/requestid", "internal/secret", "internal/strict",
		"internal/tracing", "internal/version", "internal/webaddr",
	}, never: []string{"store", "access", "people", "connector", "issuer", "data", "web", "edge", "config", "cli"}},
	{name: "config", folders: []string{"internal/config", "internal/config/"}, may: []string{"ground"}},
	{name: "store", folders: []string{
		"internal/audit", "internal/db", "internal/db/", "internal/limit", "internal/limit/guess", "internal/managed",
	}, may: []string{"ground"}, never: []string{"access", "people", "connector", "issuer", "data", "web", "edge", "cli"}},
	{name: "access", folders: []string{"internal/access", "internal/access/"}, may: []string{"ground", "store"}, never: []string{"people", "data", "edge"}},
	{name: "people", folders: []string{"internal/people", "internal/people/"}, may: []string{"ground", "store", "access"}, never: []string{"data", "edge"}},
	{name: "connector", folders: []string{"internal/connector", "internal/connector/"}, may: []string{"ground"}, never: []string{"store", "data", "edge"}},
	{name: "issuer", folders: []string{"internal/issuer", "internal/issuer/"}, may: []string{"ground", "store"}, never: []string{"data", "edge"}},
	// Data and people meet in access and in the name of a principal.
	{name: "data", folders: []string{"internal/data/"}, may: []string{"ground", "store", "access"}, never: []string{"people", "connector", "issuer", "web", "edge", "cli"}},
	{name: "web", folders: []string{"internal/web", "internal/web/"}, may: []string{"ground"}, never: []string{"store", "data", "edge"}},
	{name: "edge", folders: []string{"internal/rpc", "internal/rpc/", "internal/pachd", "internal/pachd/", "internal/reconcile"}, may: []string{"ground", "store"}},
	{name: "cli", folders: []string{"internal/cli", "internal/cli/"}, may: []string{"ground"}, never: []string{"store", "people", "data", "edge"}},
}

// areaOf is the place in areas of a package, or -1.
func areaOf(pkg string) int {
	for i, a := range areas {
		if within(pkg, a.folders) {
			return i
		}
	}
	return -1
}

// within says whether a package is one of those, or below one that ends in /.
func within(pkg string, folders []string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return f == pkg || strings.HasSuffix(f, "/") && strings.HasPrefix(pkg, f) })
}

// byArea says what the areas of two packages say of an import: whether it needs no
// row of mayImport, and whether none can allow it.
func byArea(from, to string) (may, never bool) {
	f, t := areaOf(from), areaOf(to)
	if f < 0 || t < 0 {
		return false, false
	}
	return slices.Contains(areas[f].may, areas[t].name), slices.Contains(areas[f].never, areas[t].name)
}

// mayImport says which of our packages each package may import besides what its
// area may. A package that is missing here fails: adding one means saying what it
// may know.
var mayImport = map[string][]string{
	"api/auth":        nil,
	"api/identity":    nil,
	"api/version":     nil,
	"api/enterprise":  nil,
	"api/license":     {"api/enterprise"},
	"api/pfs":         {"api/auth", "api/task"},
	"api/transaction": {"api/pfs"},
	"api/task":        nil,
	"api/pps":         {"api/pfs"},
	"api/metadata":    {"api/pfs", "api/pps"},
	"api/data":        {"api/pfs"},
	"api/pach":        {"api/auth", "api/identity"},
	"api/admin":       {"api/pfs", "api/version"},
	"api": {
		"api/admin", "api/auth", "api/data", "api/enterprise", "api/identity", "api/license", "api/metadata", "api/pach", "api/pfs", "api/pps",
		"api/transaction", "api/version",
	},
	"api/connector": nil,

	"internal/fault":             nil,
	"internal/requestid":         nil,
	"internal/tracing":           {"internal/fault"},
	"internal/version":           {"api/version"},
	"internal/principal":         {"internal/fault"},
	"internal/strict":            {"internal/fault"},
	"internal/secret":            {"internal/fault"},
	"deploy/helm":                nil,
	"internal/config/chart":      {"deploy/helm", "internal/config"},
	"internal/webaddr":           {"internal/fault"},
	"internal/config/kubesecret": nil,
	"internal/config/declared":   nil,
	"internal/config":            {"internal/config/declared"},
	"internal/db":                {"internal/db/batch", "internal/db/dial", "internal/db/migrations", "internal/db/prepared", "internal/db/shrink", "internal/db/single"},
	"internal/db/dbtest":         {"internal/db"},
	"internal/secret/secrettest": {"internal/db", "internal/secret"},
	"internal/web/theme":         nil,
	"internal/web":               {"internal/web/theme"},
	"internal/web/browser":       {"internal/web"},
	// The console knows the services by their clients, and nothing behind them.
	"internal/web/console": {
		"api", "api/auth", "api/pach", "internal/web/console/connectors", "internal/web/console/data", "internal/web/console/overview",
		"internal/web/console/page",
		"internal/web/console/people", "internal/web/console/records", "internal/web/console/traces",
	},
	"internal/web/console/data":       {"api/pfs", "internal/web/console/page"},
	"internal/web/console/overview":   {"api/identity", "api/pach", "internal/web/console/page"},
	"internal/web/console/traces":     {"api/pach", "internal/web/console/page"},
	"internal/web/console/connectors": {"api/auth", "api/identity", "api/pach", "internal/cli/idp/preset", "internal/web/console/page"},
	"internal/web/console/people":     {"api/auth", "api/pach", "internal/web/console/page"},
	"internal/web/console/records":    {"api/auth", "api/identity", "api/pach", "internal/web/console/page"},
	"internal/web/console/page":       {"api", "api/auth", "api/pach", "client", "internal/web", "internal/web/browser", "internal/web/theme"},
	"internal/web/record":             nil,

	"internal/db/dump":       {"internal/db", "internal/db/migrations"},
	"internal/db/reseal":     {"internal/db"},
	"internal/db/migrations": nil,
	"internal/db/prepared":   nil,
	"internal/db/batch":      nil,
	"internal/db/dial":       nil,
	"internal/db/shrink":     nil,
	"internal/db/single":     nil,
	"internal/db/inlist":     nil,

	"internal/limit": {"internal/db"},
	"internal/limit/httplimit": {
		"internal/fault", "internal/issuer/endpoint", "internal/limit", "internal/limit/guess", "internal/web", "internal/web/browser", "internal/web/console/page", "internal/web/theme",
	},
	"internal/limit/guess": {"internal/db", "internal/limit"},

	"internal/managed":            {"internal/db"},
	"internal/audit":              {"internal/db"},
	"internal/access/table":       nil,
	"internal/data/txn":           {"internal/data/graph"},
	"internal/data/archive":       {"internal/data/file", "internal/data/tree"},
	"internal/data/search":        {"internal/data/file", "internal/data/graph", "internal/data/tree"},
	"internal/data/content":       nil,
	"internal/data/btree":         {"internal/data/content"},
	"internal/data/tree":          {"internal/data/btree", "internal/data/content"},
	"internal/data/glob":          nil,
	"internal/data/blob":          nil,
	"internal/data/blob/blobtest": {"internal/data/blob"},
	"internal/data/blob/dir":      {"internal/data/blob"},
	"internal/data/blob/s3":       {"internal/data/blob"},
	"internal/data/pack": {
		"internal/data/blob", "internal/data/content", "internal/data/pack/aside", "internal/data/pack/bundle", "internal/data/pack/cache", "internal/data/pack/catalog",
		"internal/data/pack/chunk", "internal/data/pack/format", "internal/data/pack/keyed", "internal/data/pack/lease", "internal/data/pack/turn",
	},
	"internal/data/pack/aside":   {"internal/data/blob", "internal/data/pack/format"},
	"internal/data/pack/lease":   {"internal/data/pack/catalog"},
	"internal/data/pack/turn":    nil,
	"internal/data/pack/bundle":  {"internal/data/content", "internal/data/pack/format"},
	"internal/data/pack/keyed":   {"internal/data/content"},
	"internal/data/pack/cache":   nil,
	"internal/data/pack/catalog": {"internal/data/pack/format"},
	"internal/data/pack/chunk":   nil,
	"internal/data/pack/format":  {"internal/data/content"},
	"internal/data/check":        {"internal/data/fileset", "internal/data/graph/row", "internal/data/pack", "internal/data/tree"},
	"internal/data/paths":        nil,
	"internal/data/fileset":      {"internal/data/paths", "internal/data/file", "internal/data/graph", "internal/data/tree"},
	"internal/data/urlsource":    nil,
	"internal/data/file":         {"internal/data/paths", "internal/data/glob", "internal/data/graph", "internal/data/pack", "internal/data/pack/turn", "internal/data/tree"},
	"internal/rpc/pfs": {
		"api", "api/pfs", "api/task", "api/transaction", "internal/access", "internal/data/check", "internal/data/file", "internal/data/graph",
		"internal/data/history", "internal/data/txn", "internal/people/session", "internal/rpc/pfs/convert", "internal/rpc/pfs/edit",
		"internal/rpc/pfs/files", "internal/rpc/pfs/guard", "internal/rpc/pfs/remove", "internal/rpc/pfs/sets", "internal/rpc/wire",
	},
	"internal/rpc/pfs/guard": {"api", "internal/access", "internal/data/graph", "internal/people/session"},
	"internal/rpc/pfs/files": {
		"api/pfs", "internal/access", "internal/data/archive", "internal/data/file", "internal/data/graph", "internal/data/search", "internal/data/tree", "internal/people/session",
		"internal/rpc/pfs/convert", "internal/rpc/pfs/edit", "internal/rpc/pfs/guard", "internal/rpc/wire",
	},
	"internal/rpc/pfs/edit": {
		"api/pfs", "internal/access", "internal/data/file", "internal/data/fileset", "internal/data/graph", "internal/data/urlsource",
		"internal/people/session", "internal/rpc/codec", "internal/rpc/pfs/convert", "internal/rpc/pfs/guard",
	},
	"internal/rpc/pfs/sets": {
		"api/pfs", "internal/access", "internal/data/file", "internal/data/fileset", "internal/people/session", "internal/rpc/pfs/convert",
		"internal/rpc/pfs/edit", "internal/rpc/pfs/guard",
	},
	"internal/rpc/transaction": {
		"api/transaction", "internal/data/graph", "internal/data/txn", "internal/people/session", "internal/rpc/pfs", "internal/rpc/wire",
	},
	"internal/rpc/inprocess":  nil,
	"internal/rpc/pfs/remove": {"api/pfs", "internal/access", "internal/data/graph", "internal/data/removal", "internal/rpc/pfs/guard"},
	"internal/rpc/data": {
		"api/data", "internal/data/check", "internal/data/graph", "internal/people/session", "internal/rpc/pfs/convert",
		"internal/rpc/pfs/edit", "internal/rpc/pfs/guard", "internal/rpc/pfs/remove",
	},
	"internal/rpc/metadata": {
		"api/metadata", "internal/access", "internal/data/graph", "internal/data/metadata", "internal/people/session", "internal/rpc/pfs/convert",
		"internal/rpc/pfs/guard",
	},
	"internal/rpc/codec":       {"api/pfs"},
	"internal/rpc/pfs/convert": {"api/auth", "api/pfs", "internal/access", "internal/data/graph", "internal/rpc/wire"},
	"internal/access/spelling": {"internal/access"},
	"internal/data/graph/row":  nil,
	"internal/data/graph":      {"internal/data/graph/row"},
	"internal/data/history":    {"internal/data/graph", "internal/data/graph/row"},
	"internal/data/trigger":    {"internal/data/graph", "internal/data/graph/row"},
	"internal/data/removal":    {"internal/data/graph", "internal/data/graph/row"},
	"internal/data/metadata":   {"internal/data/graph", "internal/data/graph/row"},
	"internal/access":          {"internal/access/table"},
	"internal/people/identity": nil,
	"internal/cluster":         {"internal/audit", "internal/db", "internal/fault", "internal/secret"},
	"internal/people/token":    nil,

	"internal/people/trust": nil,

	"internal/people/past":    {"internal/people/identity"},
	"internal/people/session": {"internal/people/identity", "internal/people/past", "internal/people/token", "internal/people/trust"},

	"internal/people": {
		"internal/issuer/plan", "internal/issuer/refreshtoken", "internal/issuer/registry", "internal/issuer/trace", "internal/people/identity",
		"internal/people/rename", "internal/people/session", "internal/people/token", "internal/people/trust",
	},
	"internal/people/rename": {"internal/people/identity", "internal/people/token"},

	"internal/connector/refuse":          nil,
	"internal/claimlog":                  nil,
	"internal/connector/authtime":        {"internal/connector/refuse"},
	"internal/connector/document":        {"internal/connector/refuse"},
	"internal/fetch":                     {"internal/claimlog", "internal/fault", "internal/tracing"},
	"internal/connector/probe":           nil,
	"internal/connector/oidc/claim":      nil,
	"internal/connector/oidc/keyset":     {"internal/connector/refuse"},
	"internal/connector/oidc/clientauth": {"internal/connector/probe", "internal/connector/refuse"},
	"internal/connector/saml/xmltree":    nil,
	"internal/connector/saml/metadata":   {"internal/connector/saml/xmltree"},
	"internal/connector/saml/profile":    {"internal/connector/refuse", "internal/connector/saml/xmltree"},
	"internal/connector/saml/signed":     {"internal/connector/refuse", "internal/connector/saml/xmltree"},
	"internal/connector/oidc": {
		"internal/connector/authtime", "internal/connector/document", "internal/connector/oidc/claim", "internal/connector/oidc/clientauth",
		"internal/connector/oidc/keyset", "internal/connector/probe", "internal/connector/refuse",
	},
	"internal/connector/saml": {
		"internal/connector/authtime", "internal/connector/document", "internal/connector/probe", "internal/connector/refuse",
		"internal/connector/saml/metadata", "internal/connector/saml/profile", "internal/connector/saml/signed", "internal/connector/saml/xmltree",
	},
	"internal/connector/ldap":  {"internal/connector/document", "internal/connector/probe", "internal/connector/refuse"},
	"internal/connector/oauth": {"internal/connector/document", "internal/connector/oidc/claim"},
	"internal/connector/dex":   {"internal/connector/document", "internal/connector/probe", "internal/connector/refuse"},
	"internal/connector": {
		"internal/connector/dex", "internal/connector/document", "internal/connector/ldap", "internal/connector/oauth", "internal/connector/oidc",
		"internal/connector/oidc/clientauth", "internal/connector/probe", "internal/connector/refuse", "internal/connector/saml",
	},
	"internal/issuer/dexstore":  {"internal/issuer/pending"},
	"internal/issuer/pending":   nil,
	"internal/issuer/device":    {"internal/web", "internal/web/browser"},
	"internal/issuer/clientkey": nil,
	"internal/issuer/dexlog":    nil,
	"internal/issuer/endpoint":  nil,
	"internal/issuer/jws":       nil,
	"internal/issuer/claims":    {"internal/people/identity"},
	"internal/issuer/signing":   {"internal/issuer/dexstore", "internal/issuer/jws", "internal/issuer/settings"},
	"internal/issuer/logout":    {"internal/issuer/jws", "internal/people/identity", "internal/web", "internal/web/browser"},
	"internal/issuer/grant": {
		"internal/issuer/claims", "internal/issuer/device", "internal/issuer/endpoint", "internal/issuer/jws", "internal/issuer/logout",
		"internal/issuer/pending", "internal/people/identity", "internal/people/token",
	},
	"internal/issuer/exchange":   {"internal/connector/oidc/keyset", "internal/issuer/endpoint", "internal/people/session", "internal/people/trust"},
	"internal/issuer/loginctx":   nil,
	"internal/issuer/oidcclient": {"internal/issuer/dexstore", "internal/issuer/grant", "internal/issuer/logout", "internal/issuer/settings"},
	"internal/issuer/settings":   nil,
	"internal/issuer/registry": {
		"internal/access", "internal/connector", "internal/issuer/dexstore", "internal/issuer/grant", "internal/issuer/oidcclient",
		"internal/issuer/settings", "internal/people/identity",
	},
	"internal/access/freshness":    {"internal/access"},
	"internal/issuer/regroup":      {"internal/connector/refuse", "internal/issuer/upstream", "internal/people/identity"},
	"internal/issuer/plan":         {"internal/access", "internal/connector", "internal/issuer/registry", "internal/issuer/trace", "internal/issuer/upstream", "internal/people/identity"},
	"internal/issuer/refreshtoken": {"internal/issuer/grant", "internal/people/identity"},
	"internal/issuer/trace":        nil,
	"internal/issuer/upstream": {
		"internal/connector", "internal/connector/authtime", "internal/connector/probe", "internal/connector/refuse", "internal/issuer/loginctx",
		"internal/issuer/registry", "internal/issuer/trace", "internal/people/identity",
	},
	"internal/issuer/homerealm": {"internal/connector", "internal/issuer/registry", "internal/web"},
	"internal/issuer/dexview": {
		"internal/issuer/dexstore", "internal/issuer/grant", "internal/issuer/loginctx", "internal/issuer/registry", "internal/issuer/upstream",
		"internal/web", "internal/web/record",
	},
	"internal/issuer/setuplink": {"internal/connector", "internal/connector/probe", "internal/issuer/connectortest", "internal/issuer/registry"},
	"internal/issuer/connectortest": {
		"internal/connector", "internal/issuer/registry", "internal/issuer/trace", "internal/issuer/upstream", "internal/people/identity", "internal/web",
		"internal/web/browser",
	},
	"internal/issuer": {
		"internal/connector", "internal/connector/authtime", "internal/connector/oidc/clientauth", "internal/connector/probe", "internal/issuer/clientkey",
		"internal/issuer/connectortest", "internal/issuer/device", "internal/issuer/dexlog", "internal/issuer/dexstore", "internal/issuer/dexview",
		"internal/issuer/endpoint", "internal/issuer/grant", "internal/issuer/homerealm", "internal/issuer/jws", "internal/issuer/loginctx",
		"internal/issuer/logout", "internal/issuer/oidcclient", "internal/issuer/plan", "internal/issuer/refreshtoken", "internal/issuer/registry",
		"internal/issuer/settings", "internal/issuer/setuplink", "internal/issuer/signing", "internal/issuer/trace", "internal/issuer/upstream",
		"internal/people/identity", "internal/web", "internal/web/browser", "internal/web/record", "internal/web/theme",
	},
	"internal/people/login": {
		"internal/connector/document", "internal/connector/oidc", "internal/issuer", "internal/issuer/device", "internal/issuer/grant",
		"internal/issuer/registry", "internal/issuer/settings", "internal/issuer/trace", "internal/people/identity", "internal/people/session",
		"internal/people/token", "internal/web", "internal/web/browser",
	},
	"internal/reconcile": {
		"internal/access", "internal/config/declared", "internal/connector/document", "internal/issuer", "internal/issuer/oidcclient",
		"internal/issuer/registry", "internal/issuer/settings", "internal/people/identity", "internal/people/login", "internal/people/session",
	},
	"internal/rpc": {
		"api/data", "api/metadata", "internal/data/check", "internal/rpc/codec", "internal/rpc/data", "internal/rpc/inprocess", "internal/rpc/pagetoken", "internal/rpc/metadata",
		"internal/rpc/pfs", "internal/rpc/pfs/edit", "internal/rpc/transaction", "api/transaction",
		"api", "api/admin", "api/auth", "api/enterprise", "api/identity", "api/license", "api/pach", "api/pfs", "api/pps", "api/version", "internal/access",
		"internal/access/freshness", "internal/issuer", "internal/issuer/exchange", "internal/people/login", "internal/people/session",
		"internal/rpc/admin", "internal/rpc/auth", "internal/rpc/enterprise", "internal/rpc/identity", "internal/rpc/pach",
	},
	"internal/rpc/pagetoken": nil,
	"internal/rpc/admin":     {"api/admin", "api/version", "internal/access", "internal/data/metadata", "internal/people/session"},
	"internal/rpc/auth": {
		"api/auth", "internal/access", "internal/people/identity", "internal/people/login", "internal/people/session", "internal/people/token",
		"internal/rpc/wire",
	},
	"internal/rpc/pach": {
		"api/auth", "api/pach", "internal/access", "internal/access/freshness", "internal/connector/probe", "internal/issuer",
		"internal/issuer/connectortest", "internal/issuer/exchange", "internal/issuer/oidcclient", "internal/issuer/plan", "internal/issuer/refreshtoken",
		"internal/issuer/registry", "internal/issuer/setuplink", "internal/issuer/trace", "internal/issuer/upstream", "internal/people",
		"internal/people/identity", "internal/people/login", "internal/people/past", "internal/people/session", "internal/people/token",
		"internal/people/trust", "internal/rpc/identity", "internal/rpc/wire",
	},
	"internal/rpc/identity": {
		"api/identity", "internal/access", "internal/issuer", "internal/issuer/oidcclient", "internal/issuer/registry", "internal/issuer/settings",
		"internal/people/login", "internal/people/session",
	},
	"internal/rpc/enterprise": {"api/enterprise", "api/license", "internal/cluster", "internal/people/session", "internal/rpc/wire"},
	"internal/rpc/wire":       {"api/auth", "internal/access"},
	"internal/pachd": {
		"internal/data/check", "internal/data/file", "internal/data/fileset", "internal/data/graph", "internal/data/pack", "internal/data/trigger",
		"internal/data/urlsource", "internal/pachd/store", "internal/rpc/pfs/edit",
		"api", "api/admin", "internal/access", "internal/access/freshness", "internal/config", "internal/config/chart", "internal/config/declared",
		"internal/config/kubesecret", "internal/issuer", "internal/issuer/connectortest", "internal/issuer/device", "internal/issuer/dexstore",
		"internal/issuer/endpoint", "internal/issuer/exchange", "internal/issuer/grant", "internal/issuer/registry", "internal/issuer/regroup",
		"internal/issuer/setuplink", "internal/issuer/trace", "internal/issuer/upstream", "internal/limit/httplimit", "internal/pachd/datadir",
		"internal/pachd/offline", "internal/people/identity", "internal/people/login", "internal/people/past", "internal/people/rename",
		"internal/people/session", "internal/people/token", "internal/reconcile", "internal/rpc", "internal/web", "internal/web/browser",
		"internal/web/console", "internal/web/console/page", "internal/web/theme",
	},
	"internal/pachd/datadir": nil,
	"internal/pachd/store":   {"internal/config", "internal/data/blob", "internal/data/blob/dir", "internal/data/blob/s3"},
	"internal/pachd/heap":    nil,
	"internal/pachd/offline": {"internal/config", "internal/people/session"},
	"internal/pachd/pachdtest": {
		"api", "api/auth", "api/identity", "api/pach", "demo/op", "demo/op/optest", "internal/config", "internal/issuer/connectortest",
		"internal/issuer/registry", "internal/pachd",
	},

	"client":                   {"api"},
	"internal/cli/configfile":  {"client"},
	"internal/cli/kit":         {"api/admin", "api/auth", "api/pfs", "api/version", "client", "internal/cli/configfile"},
	"internal/cli/kit/kittest": {"internal/cli/kit"},
	"internal/cli/signin":      {"api/auth", "api/pach", "client", "internal/cli/kit", "internal/web/theme"},
	"internal/cli/auth":        {"api/auth", "api/pach", "client", "internal/cli/auth/people", "internal/cli/kit"},
	"internal/cli/auth/people": {"api/pach", "client", "internal/cli/kit"},
	"internal/cli/activation":  {"api/auth", "api/identity", "api/pach", "api/pfs", "api/pps", "client", "internal/cli/kit"},
	"internal/cli/idp": {
		"api/connector", "api/identity", "api/pach", "client", "internal/cli/idp/life", "internal/cli/idp/migration", "internal/cli/idp/oidcclient",
		"internal/cli/idp/preset", "internal/cli/idp/setuplink", "internal/cli/idp/traces", "internal/cli/idp/trust", "internal/cli/kit",
	},
	"internal/cli/idp/oidcclient": {"api/identity", "api/pach", "client", "internal/cli/kit"},
	"internal/cli/idp/migration":  {"api/auth", "api/identity", "api/pach", "api/pfs", "client", "internal/cli/kit"},
	"internal/cli/idp/preset":     {},
	"internal/cli/idp/life":       {"api/pach", "internal/cli/kit"},
	"internal/cli/idp/setuplink":  {"api/pach", "internal/cli/idp/preset", "internal/cli/kit"},
	"internal/cli/idp/traces":     {"api/pach", "internal/cli/kit"},
	"internal/cli/idp/trust":      {"api/pach", "client", "internal/cli/kit"},
	"internal/cli/config":         {"client", "internal/cli/configfile", "internal/cli/kit"},
	"internal/cli/enterprise":     {"api/enterprise", "api/license", "internal/cli/configfile", "internal/cli/kit"},
	"internal/cli/data/archive":   nil,
	"internal/cli/data/complete":  {"api/pfs", "internal/cli/data/ref", "internal/cli/data/show", "internal/cli/kit"},
	"internal/cli/data/metadata":  {"api/metadata", "api/pfs", "internal/cli/data/ref", "internal/cli/data/show", "internal/cli/kit"},
	"internal/cli/data/commit":    {"api/data", "api/pfs", "internal/cli/data/ref", "internal/cli/data/show", "internal/cli/kit"},
	"internal/cli/data/file": {
		"api/data", "api/pfs", "internal/cli/data/archive", "internal/cli/data/ref", "internal/cli/data/show", "internal/cli/kit",
	},
	"internal/cli/data/ref":         {"api/pfs", "internal/cli/kit"},
	"internal/cli/data/repo":        {"api/pfs", "internal/cli/data/ref", "internal/cli/data/show", "internal/cli/kit"},
	"internal/cli/data/show":        {"api", "api/pfs", "client", "internal/cli/kit"},
	"internal/cli/data/transaction": {"api/transaction", "internal/cli/data/show", "internal/cli/kit"},
	"internal/cli/data": {
		"api/pfs",
		"api/data", "internal/cli/data/commit", "internal/cli/data/complete", "internal/cli/data/file", "internal/cli/data/metadata",
		"internal/cli/data/ref", "internal/cli/data/repo", "internal/cli/data/show",
		"internal/cli/data/transaction", "internal/cli/kit",
	},
	"internal/cli": {
		"api/version", "internal/cli/activation", "internal/cli/auth", "internal/cli/config", "internal/cli/data", "internal/cli/enterprise", "internal/cli/idp",
		"internal/cli/kit", "internal/cli/signin",
	},

	"cmd/pachd":      {"internal/pachd", "internal/pachd/heap"},
	"cmd/pachctl":    {"internal/cli", "internal/cli/kit"},
	"demo":           {"demo/op"},
	"demo/op":        nil,
	"demo/op/optest": {"demo/op"},
	"test":           nil,
	"test/dexserver": nil,
	"test/floor":     {"api/auth", "internal/connector"},
	"test/datafloor": {"api", "api/data", "api/pfs"},
	"test/idp":       {"test/walk"},
	"test/load":      {"api/auth", "client", "test/walk"},
	"test/walk":      {"api/auth", "api/pach"},
	"test/mutate":    nil,
	"deploy/release": {"internal/version"},
	"test/report":    nil,
}

// onlyIn says which packages may import what comes from outside, and why.
var onlyIn = []struct {
	prefix, why string
	packages    []string
}{
	{"github.com/dexidp/dex", "only issuer and connector know Dex", []string{"internal/issuer", "internal/issuer/", "internal/connector", "internal/connector/", "test/idp", "test/dexserver", "test/floor"}},
	{"github.com/dexidp/dex/connector/", "only dex adapts Dex's connectors", []string{"internal/connector/dex"}},
	{"github.com/dexidp/dex/connector", "only connectors and those who call them know Dex's interfaces", []string{
		"internal/connector", "internal/connector/", "internal/issuer/connectortest", "internal/issuer/upstream", "test/floor",
	}},
	{"modernc.org/sqlite", "only db knows SQLite from PostgreSQL", []string{"internal/db", "internal/db/migrations", "internal/db/prepared", "internal/db/shrink"}},
	{"github.com/jackc/pgx", "only db knows SQLite from PostgreSQL", []string{"internal/db", "internal/db/dbtest"}},
	{"github.com/pressly/goose", "only db migrates", []string{"internal/db", "internal/db/migrations"}},
	{"google.golang.org/grpc", "domains know no transport; map in rpc", []string{
		"internal/web/console", "internal/web/console/", "api", "api/", "client", "internal/rpc", "internal/rpc/", "internal/cli/", "internal/pachd", "internal/pachd/pachdtest", "test/floor", "test/datafloor", "test/load", "test/walk",
	}},
	{"database/sql", "SQL goes through db", []string{"internal/db", "internal/db/batch", "internal/db/single", "internal/db/dbtest", "internal/db/migrations", "internal/db/prepared", "internal/db/shrink"}},
	{"go.opentelemetry.io", "only tracing knows who is told of it", []string{"internal/tracing"}},
	{"github.com/minio/minio-go", "only the driver knows how object stores are spoken to", []string{"internal/data/blob/s3"}},
	{"github.com/zeebo/blake3", "only pack names and seals what is stored", []string{"internal/data/pack/keyed"}},
	{"github.com/klauspost/compress", "only pack compresses what is stored", []string{"internal/data/pack/format"}},
	{"github.com/spf13/cobra", "only cli has commands", []string{"internal/cli", "internal/cli/"}},
}

// source is one Go file that is not a test and not generated.
type source struct {
	path, pkg string
	file      *ast.File
	lines     int
	fset      *token.FileSet
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != "." || d.Name() == "node_modules" || d.Name() == "testdata" || d.Name() == "dev") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, data, parser.ParseComments)
		if err != nil {
			return err
		}
		all = append(all, source{path, filepath.ToSlash(filepath.Dir(path)), file, strings.Count(string(data), "\n"), fset})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (s source) generated() bool { return ast.IsGenerated(s.file) }

func TestImports_OnlyWhatPackagesMay(t *testing.T) {
	for _, s := range sources(t) {
		allowed, known := mayImport[s.pkg]
		if !known {
			t.Errorf("%s: the package is missing from mayImport", s.pkg)
			continue
		}
		for _, spec := range s.file.Imports {
			path := strings.Trim(spec.Path.Value, `"`)
			if ours, ok := strings.CutPrefix(path, "pachyderm/"); ok {
				if may, never := byArea(s.pkg, ours); never || !may && !slices.Contains(allowed, ours) {
					t.Errorf("%s: %s must not import %s", s.path, s.pkg, ours)
				}
			}
			for _, rule := range onlyIn {
				if strings.HasPrefix(path, rule.prefix) && !within(s.pkg, rule.packages) {
					t.Errorf("%s: %s must not import %s: %s", s.path, s.pkg, path, rule.why)
				}
			}
		}
	}
}

// A row that allows what its area may already, or never may, tells a reader nothing.
func TestMayImport_SaysOnlyWhatAreasDoNot(t *testing.T) {
	for pkg, allowed := range mayImport {
		for _, to := range allowed {
			if may, never := byArea(pkg, to); may || never {
				t.Errorf("%s: %s is of an area that it may import, or never may", pkg, to)
			}
		}
	}
}

func TestPachctl_LinksNeitherSQLNorDex(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "./cmd/pachctl").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.Lines(string(out)) {
		for _, banned := range []string{"database/sql", "modernc.org/", "github.com/jackc/", "github.com/dexidp/"} {
			if strings.HasPrefix(dep, banned) {
				t.Errorf("pachctl links %s", strings.TrimSpace(dep))
			}
		}
	}
}

const (
	maxFunction = 80
	maxPackage  = 1500
)

func TestSize_FunctionsAndPackages(t *testing.T) {
	lines := map[string]int{}
	for _, s := range sources(t) {
		if s.generated() {
			continue
		}
		lines[s.pkg] += s.lines
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line + 1; n > maxFunction {
				t.Errorf("%s: %s has %d lines, more than %d", s.path, f.Name.Name, n, maxFunction)
			}
		}
	}
	delete(lines, "test/idp") // for tests only
	for _, pkg := range slices.Sorted(maps.Keys(lines)) {
		if lines[pkg] > maxPackage {
			t.Errorf("%s has %d lines, more than %d", pkg, lines[pkg], maxPackage)
		}
	}
}

// A handler decodes, calls and encodes; a longer one hides a rule.
func TestSize_Handlers(t *testing.T) {
	const maxHandler = 15
	for _, s := range sources(t) {
		if !strings.HasPrefix(s.pkg, "internal/rpc/") {
			continue
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv == nil || !f.Name.IsExported() || f.Type.Params.NumFields() != 2 {
				continue
			}
			if n := s.fset.Position(f.Body.Rbrace).Line - s.fset.Position(f.Body.Lbrace).Line - 1; n > maxHandler {
				t.Errorf("%s: the handler %s has %d lines, more than %d", s.path, f.Name.Name, n, maxHandler)
			}
		}
	}
}

func TestDoc_EveryPackage(t *testing.T) {
	docs := map[string]int{}
	all := map[string]bool{}
	for _, s := range sources(t) {
		if s.file.Name.Name == "main" && s.pkg != "demo" {
			continue
		}
		all[s.pkg] = true
		if filepath.Base(s.path) == "doc.go" && s.file.Doc != nil {
			docs[s.pkg] = strings.Count(s.file.Doc.Text(), "\n")
		}
	}
	for pkg := range all {
		switch n := docs[pkg]; {
		case n == 0:
			t.Errorf("%s has no doc.go", pkg)
		case n > 10:
			t.Errorf("%s/doc.go says it in %d lines, more than 10", pkg, n)
		}
	}
}

// A table belongs to one package: whoever else needs its rows asks there.
func TestSQL_TableInOnePackage(t *testing.T) {
	owners := map[string]map[string]bool{}
	for _, m := range migrations(t) {
		for _, match := range regexp.MustCompile(`CREATE TABLE (\w+)`).FindAllStringSubmatch(m, -1) {
			owners[match[1]] = map[string]bool{}
		}
	}
	statement := regexp.MustCompile(`(?:FROM|JOIN|INTO|UPDATE) (\w+)`)
	for _, s := range sources(t) {
		if s.generated() {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				for _, match := range statement.FindAllStringSubmatch(lit.Value, -1) {
					if owners[match[1]] != nil {
						owners[match[1]][s.pkg] = true
					}
				}
			}
			return true
		})
	}
	for table, in := range owners {
		if len(in) != 1 {
			t.Errorf("table %s is named in %v, not in one package", table, slices.Sorted(maps.Keys(in)))
		}
	}
}

// The two databases differ in what these mean (CONTRIBUTING.md, SQL): the case
// that LIKE ignores, the clock behind now(), the collation of ORDER BY. A page
// may be ordered by its key, since the same database compares and orders it.
func TestSQL_SameForBothDatabases(t *testing.T) {
	texts := textColumns(t)
	statement := regexp.MustCompile(`\b(SELECT|INSERT|UPDATE|DELETE)\b|ORDER BY`)
	banned := regexp.MustCompile(`\bLIKE\b|(?i:\bnow\(\)|\bAUTOINCREMENT\b|\bFOR UPDATE\b)`)
	order := regexp.MustCompile(`ORDER BY ([\w., ]+?)(?: LIMIT (\S+))?$`)
	for _, s := range sources(t) {
		if s.generated() || strings.HasPrefix(s.pkg, "internal/cli") {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING || lit.Value[0] != '`' || !statement.MatchString(lit.Value) {
				return true
			}
			where := s.fset.Position(lit.Pos())
			if filepath.Base(s.path) != "queries.go" && s.pkg != "internal/db" && s.pkg != "internal/db/migrations" {
				t.Errorf("%s: SQL outside of queries.go", where)
			}
			if found := banned.FindString(lit.Value); found != "" {
				t.Errorf("%s: %s means different things to the two databases", where, found)
			}
			for _, match := range order.FindAllStringSubmatch(strings.Trim(lit.Value, "`"), -1) {
				for column := range strings.FieldsSeq(strings.ReplaceAll(match[1], ",", " ")) {
					if column = column[strings.LastIndex(column, ".")+1:]; texts[column] && match[2] == "" {
						t.Errorf("%s: ORDER BY %s, which is text, outside of a page", where, column)
					}
				}
			}
			return true
		})
	}
}

// textColumns are the names of the columns that are text somewhere.
func textColumns(t *testing.T) map[string]bool {
	t.Helper()
	texts := map[string]bool{}
	for _, m := range migrations(t) {
		for _, match := range regexp.MustCompile(`(?m)^\s+(\w+)\s+TEXT\b`).FindAllStringSubmatch(m, -1) {
			texts[match[1]] = true
		}
	}
	return texts
}

func migrations(t *testing.T) (texts []string) {
	t.Helper()
	files, err := filepath.Glob("internal/db/migrations/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d migrations, %v", len(files), err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(data))
	}
	return texts
}

// docs/security.md claims that tests hold its lines; at least they must exist. A
// subtest is named as go test does, so that it can be run by what the page says.
func TestSecurityPage_NamesTestsThatExist(t *testing.T) {
	page, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	folders, texts := testsByFolder(t)
	subtests := 0
	for _, name := range regexp.MustCompile(`\b(?:Test|Fuzz)\w+(?:/[^\s,|)'`+"`"+`]+)?`).FindAllString(string(page), -1) {
		function, rest, hasRest := strings.Cut(name, "/")
		if len(folders[function]) == 0 {
			t.Errorf("docs/security.md names %s, which does not exist", function)
			continue
		}
		if !hasRest {
			continue
		}
		subtests++
		for part := range strings.SplitSeq(rest, "/") {
			if !slices.ContainsFunc(folders[function], func(folder string) bool { return texts[folder][part] }) {
				t.Errorf("docs/security.md names %s, but no test in %v has the name %q", name, folders[function], part)
			}
		}
	}
	if subtests < 20 {
		t.Errorf("only %d subtests were found", subtests)
	}
}

// testsByFolder are the folders that have a test, by its name, and by folder the
// texts in its test files, any of which may name a subtest.
func testsByFolder(t *testing.T) (folders map[string][]string, texts map[string]map[string]bool) {
	t.Helper()
	folders, texts = map[string][]string{}, map[string]map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		folder := filepath.ToSlash(filepath.Dir(path))
		if texts[folder] == nil {
			texts[folder] = map[string]bool{}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv == nil {
					folders[n.Name.Name] = append(folders[n.Name.Name], folder)
				}
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
					texts[folder][strings.ReplaceAll(text, " ", "_")] = true
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return folders, texts
}

// Pages that say where things are must say it of things that are there.
func TestPages_NameFilesAndPackagesThatExist(t *testing.T) {
	named := map[string]bool{}
	for _, page := range []string{"docs/architecture.md", "docs/glossary.md", "CONTRIBUTING.md"} {
		data, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile("`((?:api|client|cmd|demo|deploy|docs|internal|test)(?:/[\\w/{},.-]*)?)`").FindAllStringSubmatch(string(data), -1) {
			for _, path := range unfold(match[1]) {
				named[page+path] = true
				if _, err := os.Stat(path); err != nil {
					t.Errorf("%s names %s, which is not there", page, path)
				}
			}
		}
	}
	for pkg := range mayImport {
		if !named["docs/architecture.md"+pkg] {
			t.Errorf("docs/architecture.md does not say what lives in %s", pkg)
		}
	}
}

// What differs from upstream on purpose has a reason that can be read.
func TestFromUpstream_DifferencesNameTheirDecision(t *testing.T) {
	page, err := os.ReadFile("docs/from-upstream.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(string(page), -1) {
		if _, err := os.Stat(filepath.Join("docs", link[1])); err != nil {
			t.Errorf("docs/from-upstream.md leads to %s, which is not there", link[1])
		}
	}
	_, different, _ := strings.Cut(string(page), "\n## Different\n")
	different, _, _ = strings.Cut(different, "\n## ")
	_, rows, _ := strings.Cut(different, "|---|---|---|---|\n")
	lines := strings.Split(strings.TrimSpace(rows), "\n")
	for _, line := range lines {
		if cells := strings.Split(line, " | "); len(cells) != 4 || !strings.Contains(cells[3], "](decisions/") {
			t.Errorf("no decision in: %s", line)
		}
	}
	if len(lines) < 20 {
		t.Errorf("only %d differences were found", len(lines))
	}
}

// unfold makes a/b and a/c of a/{b,c}.
func unfold(path string) []string {
	before, rest, ok := strings.Cut(path, "{")
	if !ok {
		return []string{path}
	}
	list, after, _ := strings.Cut(rest, "}")
	var all []string
	for one := range strings.SplitSeq(list, ",") {
		all = append(all, before+one+after)
	}
	return all
}

// A term that is not where the glossary says is not the word that the code uses.
func TestGlossary_TermsAreWhereItSays(t *testing.T) {
	data, err := os.ReadFile("docs/glossary.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| ([^|]+) \\| [^|]+ \\| (`[^|]+`) \\|$").FindAllStringSubmatch(string(data), -1)
	if len(rows) < 40 {
		t.Errorf("only %d terms were found", len(rows))
	}
	for _, row := range rows {
		var text strings.Builder
		for _, place := range strings.Split(strings.ReplaceAll(row[2], "`", ""), ", ") {
			text.WriteString(filesIn(t, place))
		}
		for term := range strings.SplitSeq(row[1], ", ") {
			if !strings.Contains(text.String(), strings.ToLower(term)) {
				t.Errorf("docs/glossary.md: %q is not in %s", term, row[2])
			}
		}
	}
}

// filesIn is the text of a file, or of the files in a folder, in lower case.
func filesIn(t *testing.T, place string) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(place, "*.*"))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, path := range append(paths, place) {
		if info, err := os.Stat(path); err != nil || info.IsDir() {
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text.WriteString(strings.ToLower(string(data)) + "\n")
	}
	return text.String()
}
