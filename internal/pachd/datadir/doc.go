// Package datadir makes the data directory, and sees to it that one pachd has it.
package datadir
