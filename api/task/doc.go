// Package task is upstream's taskapi: what a server works on in the background. Only
// messages of package pfs name it yet.
package task
