package document

import (
	"encoding/base64"
	"strings"

	"pachyderm/internal/connector/refuse"
)

// IsPEM tells PEM text from the name of a file and from base64.
func IsPEM(text string) bool { return strings.Contains(text, "-----BEGIN") }

// PEM takes PEM text as it is, or base64 of it, as Dex has certificates. Fault:
// Invalid, at the key.
func PEM(path, text string) ([]byte, error) {
	if text == "" || IsPEM(text) {
		return []byte(text), nil
	}
	decoded, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil || !IsPEM(string(decoded)) {
		return nil, refuse.Config(path, "%s is neither PEM text nor base64 of it", path).
			Next("copy the certificate again, from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----").Because(err)
	}
	return decoded, nil
}
