// Package dial makes connections to PostgreSQL.
package dial
