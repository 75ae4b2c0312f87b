// Command demo is the identity provider that make run starts beside pachd: a
// real OpenID provider with two people in two groups. It is for one's own
// machine: it listens on loopback and speaks plain http.
package main
