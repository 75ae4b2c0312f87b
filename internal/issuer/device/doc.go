// Package device keeps the sign-ins that devices without a browser have asked
// for by the device grant (RFC 8628) until their person has signed in: who asks,
// whether the person in the browser said yes, and why one ended. It serves that
// person's pages.
package device
