// Package paths says what the paths of files can be, and gives each its one form.
package paths
