// Package managed knows which objects pachd's configuration declares, so that
// nobody changes them over the API, and which declaration holds where replicas
// have different ones. The objects themselves belong to other packages, which
// ask here in the transaction of each change; reconcile says what is declared.
package managed
