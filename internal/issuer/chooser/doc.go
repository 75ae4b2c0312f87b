// Package chooser finds the connector that a person signs in with: the one that
// their e-mail domain belongs to, the only one there is, or the one they pick on
// a page that remembers what this browser took last.
package chooser
