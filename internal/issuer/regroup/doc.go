// Package regroup reads the groups of people again while they use what they signed in
// to, where their connector can be asked without them. Who is gone there loses their
// sessions here.
package regroup
