// Package homerealm is home realm discovery: it finds the connector that a
// person signs in with, which is the one that their e-mail domain belongs to, the
// only one there is, or the one they pick on a page that puts what this browser
// took last first.
package homerealm
