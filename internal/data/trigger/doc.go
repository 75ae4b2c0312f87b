// Package trigger moves the heads of branches that follow others at set times. A time
// that comes while no pachd runs is made up for at the next start. Replicas may all do
// it: what one has moved, the next finds moved.
package trigger
