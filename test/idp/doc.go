// Package idp is for tests: it starts identity providers that others have made,
// each with the people alice, bob and so on, and ends them with the test. Start
// and Stop on what is returned make a provider that is away for a while.
// SignIn walks through a sign-in as a browser would, without running one.
//
// What a provider needs is installed by make deps; where it is missing the test
// fails and says so. Everything listens on loopback only.
package idp
