// Package kittest runs commands in tests as a person at a terminal would.
package kittest
