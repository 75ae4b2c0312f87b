package secret

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
)

// Hash is the form in which cookies, codes and tokens are kept: lower-case hex
// of the SHA-256. It is for random values, which need no slow hash.
func Hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// Same compares two hashes in constant time; nothing is the same as "".
func Same(a, b string) bool {
	return a != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}
