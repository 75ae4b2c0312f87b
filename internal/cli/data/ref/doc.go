// Package ref reads what names repositories, branches, commits and files on the
// command line: REPO[.TYPE]@BRANCH-OR-COMMIT[=ID][:PATH]. Behind the commit may stand
// where to go from there (master^, master~2, master.1).
package ref
