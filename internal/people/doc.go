// Package people looks after the people that pachd knows: who has not been here for
// long is found and kept out, and whose address has changed gets the new name.
package people
