// Package enterprise has the commands of pachctl enterprise and pachctl license:
// several pachds that sign people in at one, and what older scripts expect.
package enterprise
