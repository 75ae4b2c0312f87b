// Package secrettest is for tests: it opens sealers.
package secrettest
