// Package people is the console's area for people, groups, and who has which role
// where.
package people
