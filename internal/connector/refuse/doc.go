// Package refuse words the two refusals that all connectors have: of their own
// configuration and of what a provider sends.
package refuse
