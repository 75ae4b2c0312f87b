// Package device keeps the sign-ins that devices without a browser have asked
// for by the device grant (RFC 8628): who asks, whether the person in the browser
// said yes, and why one ended. Dex keeps the codes; it has no place for any of this.
package device
