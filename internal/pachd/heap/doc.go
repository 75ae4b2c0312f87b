// Package heap says when the heap is collected.
package heap
