// Package connectortest lets an administrator sign in for real with a connector
// that is not stored, and see what the provider said, what each part of it was
// used as and who they would be. No connector, person or session comes of it;
// the test itself is kept, sealed, for the minutes that it lasts, so that any
// replica can go on with it.
package connectortest
