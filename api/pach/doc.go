// Package pach is the wire of pach_v1: what this project offers beyond
// upstream's services, whose messages gain no fields. Generated; rpc serves it.
package pach
