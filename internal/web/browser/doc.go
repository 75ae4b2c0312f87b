// Package browser is what a page needs to know of the browser that asks for
// it: the cookie that tells it from others, the token that its forms carry, and
// the host that its cookies are for.
package browser
