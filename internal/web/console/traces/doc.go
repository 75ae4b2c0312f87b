// Package traces is the console's area for what sign-ins have left: how they go, why
// they are refused, and each of them step by step.
package traces
