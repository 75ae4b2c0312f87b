// Package reconcile makes pachd have what its configuration declares, and nothing
// that it declared once: at the start, and whenever the configuration changes. Plan
// tells what that would change, and for whom. Of replicas that declare different
// things the latest declaration holds, and the others say so.
package reconcile
