package web

import (
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
)

// DexTheme names the folder of Dex's theme files. There is none: what it would
// hold is in the pages themselves.
const DexTheme = "pachyderm"

// Problem says what went wrong and what to do next. It is an error, for handlers
// to return.
type Problem struct {
	Status int // of the response
	Title  string
	What   string
	Next   string    // may be empty: to start again
	Code   string    // finds the entry in pachd's log; may be empty
	When   time.Time // may be zero
}

// Error is what went wrong.
func (p Problem) Error() string { return p.What }

// NothingHere is for an address that is none of ours.
func NothingHere() error {
	return Problem{
		Status: http.StatusNotFound, Title: "There is nothing here", What: "This address is not one of Pachyderm's.",
		Next: "Check the link that brought you here.",
	}
}

// SignedIn tells a person that the waiting command goes on without them.
type SignedIn struct {
	User string
}

// SignedOut tells a person that an application's sign-in was ended, or that the
// application did not say which.
type SignedOut struct {
	Ended bool
}

// ConfirmLogin asks a person whether it is they who wait for this sign-in.
type ConfirmLogin struct {
	Action    string // where the form goes
	CSRF      string
	State     string
	User      string
	Requester string // what the client calls itself; may be empty
	Address   string // where the request came from
	When      time.Time
}

// ConfirmDevice is the same question for a device with a code.
type ConfirmDevice struct {
	Action    string
	CSRF      string
	UserCode  string
	Client    string
	Requester string
	Address   string
	When      time.Time
}

// Choose asks a person with which provider they sign in.
type Choose struct {
	Choices []Choice
	Email   *EmailFirst // nil where no provider has e-mail domains
}

// Choice is one provider.
type Choice struct {
	URL  string
	Name string
	Last bool // taken last in this browser
	Down bool // it does not answer at the moment
}

// Letter stands for a provider beside its name.
func (c Choice) Letter() string {
	for _, r := range c.Name {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return strings.ToUpper(string(r))
		}
	}
	return "?"
}

// EmailFirst finds a person's provider by the domain of their address.
type EmailFirst struct {
	Action  string
	Fields  map[string]string
	Value   string
	Unknown string // domain that no provider has
}

// ConnectorTestPassword asks for a password that only tests a connector.
type ConnectorTestPassword struct {
	Name     string // of the connector
	Action   string
	CSRF     string
	Prompt   string // for Username; may be empty
	Username string
	Invalid  bool
}

// ConnectorTest tells an administrator how the test of a connector went.
type ConnectorTest struct {
	Name  string
	User  string // who it would be; empty after an error
	Error string
}

// PostForm continues to a provider that takes requests by POST only.
type PostForm struct {
	Action string
	To     string // the provider's name
	Fields map[string]string
}

// PostResponse takes an authorization response to an application that wants it in
// a form (OAuth 2.0 Form Post Response Mode).
type PostResponse struct {
	Action string // the application's redirect URI
	To     string // its name
	Fields map[string]string
}

// origin is where the form may go, for the Content-Security-Policy.
func (p PostResponse) origin() string {
	u, err := url.Parse(p.Action)
	if err != nil {
		return "'none'"
	}
	return u.Scheme + "://" + u.Host
}
