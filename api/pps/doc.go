// Package pps is as much of pps_v2 as the front door touches: a part of
// activation. Generated; rpc serves it.
package pps
