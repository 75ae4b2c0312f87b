// Package limit bounds what somebody who has not signed in can take of pachd:
// requests by rate, connections, waiting calls, delayed requests, and what may
// be pending. Whom a limit counts against is a network: the address that a
// request came from, or what a trusted proxy says of it. All of it stands in the
// memory of one process, in tables of bounded size.
package limit
