package tree

// ReadRoot reads what Stored gave: no bytes are no files. Fault: Damaged.
func ReadRoot(stored []byte) (root Root, err error) {
	if len(stored) > 0 {
		err = root.UnmarshalBinary(stored)
	}
	return root, err
}

// Stored is a root as others keep it; it is not nil.
func Stored(root Root) []byte {
	b := []byte{}
	if root != (Root{}) {
		b, _ = root.AppendBinary(b) // the error is always nil
	}
	return b
}
