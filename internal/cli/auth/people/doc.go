// Package people is pachctl's commands of auth that list people, let them in, keep
// them out and rename them.
package people
