// Package activation has the commands of pachctl auth that switch authentication
// on and off, replace the root token, and say where people sign in.
package activation
