// Package ldap signs people in with the name and password that they have in an
// LDAP directory, such as OpenLDAP or Active Directory.
//
// It is our own because Dex's escapes a user name twice, so that nobody with a
// parenthesis in it can sign in, waits for a silent directory for ever, and logs
// who tried.
package ldap
