// Package records is the console's area for applications, the audit and the settings.
package records
