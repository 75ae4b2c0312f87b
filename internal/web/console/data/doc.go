// Package data is the console's area for projects, repositories, branches, commits and
// files. What is in a file is a stranger's: it is shown as text that was escaped, as an
// image of a few fixed types, or handed over as a download, and never as a page.
package data
