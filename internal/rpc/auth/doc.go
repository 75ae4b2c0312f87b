// Package auth serves auth_v2: signing in, tokens, groups, roles and what they
// permit.
package auth
