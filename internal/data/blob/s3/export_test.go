package s3

// Open is New, with how long one request may take.
var Open = open
