// Package httplimit holds whoever sends a request over HTTP to the limits, before
// anything is stored, asked or worked out for them.
package httplimit
