// Package search finds the commits in which a file was changed.
package search
