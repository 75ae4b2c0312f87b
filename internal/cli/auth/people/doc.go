// Package people is pachctl's commands of auth that list people, let them in and
// keep them out.
package people
