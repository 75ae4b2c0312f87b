package client

// Pages reads a list of pach_v1, which comes in pages, to its end: page asks for
// the page that a token stands for, at first "", and returns the next token.
func Pages(page func(token string) (next string, err error)) error {
	for token := ""; ; {
		next, err := page(token)
		if err != nil || next == "" || next == token {
			return err
		}
		token = next
	}
}
