// Package tracing sends OpenTelemetry traces of requests to a collector. All requests
// of one login, at whichever replica, are one trace.
//
// A request finds out only on its way which login it belongs to, so what it does is
// noted in its context, and becomes spans when it ends. Spans have no names of people,
// no addresses of pages and no text of errors: a collector is no place for secrets.
package tracing
