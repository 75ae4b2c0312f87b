// Package metadata serves metadata.API.
package metadata
