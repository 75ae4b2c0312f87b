// Package chunk cuts files where their content says (FastCDC): a cut follows from the
// bytes before it alone, so that what stands in two files, or before and after a change,
// is cut alike. The table of numbers is a secret, so that lengths of chunks say nothing.
package chunk
