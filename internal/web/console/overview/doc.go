// Package overview is the console's first page for administrators: what needs them,
// and how sign-ins went of late, with each connector.
package overview
