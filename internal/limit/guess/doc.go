// Package guess counts wrong guesses of what can be guessed: passwords and user
// codes. The counters stand in one table of bounded size, for all replicas. For
// an account alone they only delay, or an outsider could lock somebody out; an
// account from one network, and a network, are refused.
package guess
