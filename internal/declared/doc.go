// Package declared reads what pachd's configuration says that there should be:
// connectors, clients, roles, groups and settings, from the section bootstrap of
// pachd.yaml and from the variables that upstream's charts set. It knows where each
// of them stands, for messages. Reconcile makes it so.
package declared
