// Package single runs one statement without a transaction around it.
package single
