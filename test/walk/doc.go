// Package walk signs people in as a browser does that follows redirects and fills in
// forms, and as pachctl does around it.
package walk
