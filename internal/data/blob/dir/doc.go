// Package dir keeps objects as files of a directory. What it has said is written
// outlives the process and a power cut: a file is written beside, flushed, renamed,
// and its folder flushed.
package dir
