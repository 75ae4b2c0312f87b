// Package fetch gets documents from addresses that somebody else wrote down, such
// as a provider's discovery document and its keys, within limits of time, size
// and whereabouts, and keeps them through the provider's outages.
//
// Its errors are faults that say what an administrator should look at.
package fetch
