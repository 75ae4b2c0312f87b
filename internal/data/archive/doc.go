// Package archive writes the files of commits as tar archives.
package archive
