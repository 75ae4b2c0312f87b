// Package configfile is pachctl's configuration file, ~/.pachyderm/config.json,
// which upstream's client and the Python SDK read and write too.
//
// It keeps what it does not know, and migrates what older clients have written.
// Where to connect to is decided in package kit.
package configfile
