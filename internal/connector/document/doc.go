// Package document says what a connector document may hold, by the tags of the
// struct that it is decoded into, and holds one to them:
//
//	json    names the key, and doc explains it
//	oneof   lists its values
//	rule    has any of the rules of Key, separated by commas
//
// Rules that tags cannot say are for the package of the connector's type.
package document
