// Package declared reads declared state, what pachd's configuration says that there
// should be: connectors, clients, roles, groups and settings, from the section
// bootstrap of pachd.yaml and from the variables that upstream's charts set. It knows
// where each part of such a declaration stands, for messages. Reconcile makes it so.
package declared
