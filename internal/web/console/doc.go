// Package console is the console: pages in which people see who they are to this
// server, what they hold and what they may do, and in which administrators do what
// pachctl does.
//
// Each page calls the services as pachctl does, with the session of the browser,
// over a connection within the process. Its areas are packages beneath.
package console
