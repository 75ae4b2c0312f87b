// Package grant is what people have granted to applications, and the endpoints
// that turn it into tokens: token, device authorization and UserInfo.
//
// A grant begins with an authorization code, which Dex makes once its person has
// signed in, and has all that follows from it: the refresh tokens that replace
// each other and, by its id in the ID tokens (sid), the sessions that began with
// one. Ending the grant ends them. Whoever presents a code, a device code or a
// replaced refresh token again ends the grant (RFC 6749, 4.1.2; RFC 9700, 4.14).
package grant
