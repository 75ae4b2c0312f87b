// Package logout ends sign-ins of applications from both sides: an application
// sends its person here to end one (OpenID Connect RP-Initiated Logout 1.0), and
// hears of one that has ended otherwise (Back-Channel Logout 1.0).
//
// What is to be heard is stored in the transaction that ends the sign-in, and
// sent until the application has answered, or for a day.
package logout
