// Package s3 keeps objects in a bucket of an object store that speaks S3. It asks of
// it no more than all of them have: objects in one request, Content-MD5, ranges, lists.
package s3
