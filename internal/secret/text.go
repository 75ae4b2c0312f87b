package secret

import "log/slog"

// Mask is what stands for a secret wherever one would be shown; written back,
// it means "keep what is stored".
const Mask = "***"

// MinLength is the fewest characters of a secret that a person chooses.
const MinLength = 6

// Text is a secret string that prints, logs and marshals as Mask. Reveal is
// the one way to its value, so a search for it finds every use.
type Text string

// Reveal returns the secret itself.
func (t Text) Reveal() string { return string(t) }

// String hides the secret from fmt.
func (t Text) String() string { return t.mask() }

// GoString hides the secret from %#v.
func (t Text) GoString() string { return t.mask() }

// LogValue hides the secret from slog.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.mask()) }

// MarshalText hides the secret from encoders of JSON and YAML.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.mask()), nil }

// UnmarshalText takes the secret from a document.
func (t *Text) UnmarshalText(b []byte) error {
	*t = Text(b)
	return nil
}

func (t Text) mask() string {
	if t == "" {
		return ""
	}
	return Mask
}
