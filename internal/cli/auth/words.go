package auth

import (
	"fmt"

	"google.golang.org/protobuf/types/known/timestamppb"

	"pachyderm/internal/cli/kit"
)

func orNever(t *timestamppb.Timestamp) string {
	if t == nil {
		return "never"
	}
	return kit.FormatTime(t)
}

// plural counts things in English: 1 token, 1,234 tokens.
func plural(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits + " " + thing + "s"
}
