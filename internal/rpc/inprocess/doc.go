// Package inprocess is a connection to the services of the same process, which takes the
// way of every call, interceptors and all, without a network.
package inprocess
