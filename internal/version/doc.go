// Package version knows which version this binary is, from what the Go
// toolchain and the build have stamped into it. Both binaries share it.
package version
