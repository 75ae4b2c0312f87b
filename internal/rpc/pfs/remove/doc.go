// Package remove squashes and drops commits for callers, or tells them what that would do.
package remove
