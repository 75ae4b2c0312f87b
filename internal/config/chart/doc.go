// Package chart looks at a values file as Helm does with our chart: the schema, the
// list of keys and the templates are the chart's own, which are executed here, so that
// there is no second list.
package chart
