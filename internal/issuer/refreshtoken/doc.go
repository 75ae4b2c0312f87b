// Package refreshtoken lists and ends what applications have that signs people in
// to them again: refresh tokens, as the people themselves and administrators see
// them.
package refreshtoken
