// Package spelling gives one name the roles that several spellings of it had.
package spelling
