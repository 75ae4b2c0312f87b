// Package urlsource reads the files that are put by naming a URL.
package urlsource
