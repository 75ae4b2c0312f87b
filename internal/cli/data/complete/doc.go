// Package complete lets the shell complete the names of repositories and branches, as
// pachd knows them.
package complete
