// Package webaddr reads the web addresses that people, documents and providers
// give, and says what may be expected of one. What is wrong with an address is
// for its caller to word, who knows where it was written.
package webaddr
