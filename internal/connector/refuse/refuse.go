package refuse

import "pachyderm/internal/fault"

// Config is for a document that could not work; path is the key at fault, below
// config.
func Config(path, format string, a ...any) *fault.Error {
	return fault.New(fault.Invalid, format, a...).At("config." + path)
}

// Response is for what came in a provider's name and proves nothing: it may be
// forged.
func Response(format string, a ...any) *fault.Error {
	return fault.New(fault.Unauthenticated, format, a...)
}

// Gone is in the chain of errors of a refresh by which a provider says that it does not
// let the person in any more.
type Gone struct{}

func (Gone) Error() string { return "the provider does not let this person in any more" }
