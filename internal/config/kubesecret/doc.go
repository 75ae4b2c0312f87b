// Package kubesecret reads and fills one Secret of Kubernetes, as the service account
// of the pod: pachd keeps in it the keys that it makes.
//
// Each key is made once, by compare-and-swap on the Secret's resourceVersion: of
// several replicas the first wins, and the others take what it has written. What is
// there is written over only by who names what it was.
package kubesecret
