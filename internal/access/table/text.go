package table

import (
	"fmt"
	"strconv"
	"strings"
)

// EachRole reads a text of roles, length in bytes and name of who has each, divided by
// spaces: whatever is in a name, it is no role.
func EachRole(text string, each func(role, name string) error) error {
	for text != "" {
		role, after, _ := strings.Cut(text, " ")
		length, rest, _ := strings.Cut(after, " ")
		n, err := strconv.Atoi(length)
		if err != nil || n < 0 || n > len(rest) {
			return fmt.Errorf("roles were read as %.60q", text)
		}
		if err := each(role, rest[:n]); err != nil {
			return err
		}
		text = rest[n:]
	}
	return nil
}
