// Package show prints what pachd tells of versioned data: in tables with upstream's
// columns, and for scripts as the messages of the wire in JSON or YAML.
package show
