package inlist

import (
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// most is how many keys one statement names.
const most = 256

// Each calls f with a list of placeholders, from $first on, and the arguments for so many
// keys at a time. The last key is repeated.
func Each[K any](keys []K, first int, arg func(K) any, f func(places string, args []any) error) error {
	for some := range slices.Chunk(keys, most) {
		size := 1 << bits.Len(uint(len(some)-1))
		places, args := make([]string, size), make([]any, size)
		for i := range size {
			places[i], args[i] = "$"+strconv.Itoa(first+i), arg(some[min(i, len(some)-1)])
		}
		if err := f(strings.Join(places, ", "), args); err != nil {
			return err
		}
	}
	return nil
}
