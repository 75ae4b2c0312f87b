// Package turn bounds what all writers of a process have in memory: few are at work at a
// time, and of the others those that have waited longest give back what they have once
// that is too much. Nobody is refused: who has no turn yet waits.
package turn
