// Package file has the commands about files. None holds a file in memory as a whole.
package file
