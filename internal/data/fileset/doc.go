// Package fileset keeps file sets: files, and what is to be deleted before they are
// added, that are part of no commit and end after a while. Programs gather in them what
// they add to commits later. Beside them it keeps the cache of pipelines, whose entries
// keep the sets that they name.
//
// Every row of a set is a root of what packs hold: what frees blobs deletes the expired
// rows first (DeleteExpired), and then marks all that are left (Roots).
package fileset
