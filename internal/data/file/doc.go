// Package file writes and reads the files of commits: sessions that become one change
// of a commit or none, and lists, contents and comparisons of what commits hold.
package file
