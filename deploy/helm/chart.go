package helm

import "embed"

// Chart is the chart, in the folder pachyderm.
//
//go:embed all:pachyderm
var Chart embed.FS
