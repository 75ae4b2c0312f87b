// Package pachdtest starts the pachd that ships, in the test's process, on
// free ports and a directory of its own.
package pachdtest
