// Package traces has the commands of pachctl idp about sign-ins that were: what
// happened in one, the last ones, and how they went altogether.
package traces
