// Package past says what somebody might do at a past moment, one that is over: it takes what
// roles and groups are now, and undoes what the audit says has changed since, as far
// back as the audit says enough for it.
package past
