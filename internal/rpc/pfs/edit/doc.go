// Package edit does what pfs_v2 asks for of files in commits and in file sets alike: it
// opens what a request names, and makes the changes that messages say.
package edit
