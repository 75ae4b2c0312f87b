// Package config is the one shape of pachd's configuration: defaults, then
// pachd.yaml, then PACHD_* variables, then flags. Validate refuses what would
// weaken security by absence, and names every problem at once.
//
// Packages receive values from it, never the struct.
package config
