package oauth

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	dexconn "github.com/dexidp/dex/connector"
	"golang.org/x/oauth2"

	"pachyderm/internal/claimlog"
	"pachyderm/internal/connector/document"
	"pachyderm/internal/connector/oidc/claim"
	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
)

// timeout is for one request to the provider.
const timeout = 10 * time.Second

// Config is what stands under config: in a connector document of type oauth.
// Its keys are those of Dex's connector.
type Config struct {
	ClientID           string   `json:"clientID" rule:"required" doc:"client ID at the provider"`
	ClientSecret       string   `json:"clientSecret" rule:"required,secret" doc:"client secret at the provider"`
	RedirectURI        string   `json:"redirectURI" rule:"required,callback" doc:"the redirect URI registered with the provider"`
	AuthorizationURL   string   `json:"authorizationURL" rule:"required,url" doc:"where people sign in"`
	TokenURL           string   `json:"tokenURL" rule:"required,url" doc:"where codes are exchanged"`
	UserInfoURL        string   `json:"userInfoURL" rule:"required,url" doc:"where the provider says who signed in"`
	Scopes             []string `json:"scopes" doc:"scopes to request"`
	RootCAs            []string `json:"rootCAs" rule:"file" doc:"CA certificates to trust beside the system's: PEM text or files"`
	InsecureSkipVerify bool     `json:"insecureSkipVerify" doc:"not supported: add the CA's certificate to rootCAs"`

	InsecureSkipEmailVerified bool `json:"insecureSkipEmailVerified" doc:"accept e-mail addresses that the provider does not call verified"`

	UserIDKey    string  `json:"userIDKey" doc:"field that identifies a person; default: id"`
	ClaimMapping mapping `json:"claimMapping"`
}

// mapping names the fields that hold what is known of a person.
type mapping struct {
	UserNameKey          string `json:"userNameKey" doc:"field with the display name; default: user_name"`
	PreferredUsernameKey string `json:"preferredUsernameKey" doc:"field with the short name; default: preferred_username"`
	GroupsKey            string `json:"groupsKey" doc:"field with the groups; default: groups"`
	EmailKey             string `json:"emailKey" doc:"field with the e-mail address; default: email"`
	EmailVerifiedKey     string `json:"emailVerifiedKey" doc:"field that says whether the e-mail address is verified; default: email_verified"`
}

// connector is safe for use by several sign-ins at once.
type connector struct {
	cfg    Config
	client *fetch.Client
}

// Open makes no connection. Fault: Invalid, at the key.
func Open(c Config, r document.Rules) (dexconn.CallbackConnector, error) {
	if err := r.Check("oauth", &c); err != nil {
		return nil, err
	}
	if c.InsecureSkipVerify {
		return nil, fault.New(fault.Invalid, "insecureSkipVerify is not supported").
			Next("add the certificate of the provider's CA to rootCAs").At("config.insecureSkipVerify")
	}
	roots, err := fetch.Roots("config.rootCAs", c.RootCAs...)
	if err != nil {
		return nil, err
	}
	c.UserIDKey = cmp.Or(c.UserIDKey, "id")
	m := &c.ClaimMapping
	m.UserNameKey, m.PreferredUsernameKey = cmp.Or(m.UserNameKey, "user_name"), cmp.Or(m.PreferredUsernameKey, "preferred_username")
	m.EmailKey, m.EmailVerifiedKey = cmp.Or(m.EmailKey, "email"), cmp.Or(m.EmailVerifiedKey, "email_verified")
	m.GroupsKey = cmp.Or(m.GroupsKey, "groups")
	return &connector{c, r.Reach.New(roots, timeout).WithSetting("the connector's URLs")}, nil
}

// pending is what a sign-in must still know when the browser comes back.
type pending struct {
	State    string `json:"state"`
	Verifier string `json:"verifier"`
}

// LoginURL always sends PKCE; a provider that does not know it must ignore it
// (RFC 7636, 5).
func (c *connector) LoginURL(_ dexconn.Scopes, _, state string) (string, []byte, error) {
	to, err := url.Parse(c.cfg.AuthorizationURL)
	if err != nil {
		return "", nil, err
	}
	p := pending{state, oauth2.GenerateVerifier()}
	q := to.Query()
	for name, value := range map[string]string{
		"client_id": c.cfg.ClientID, "redirect_uri": c.cfg.RedirectURI, "response_type": "code", "state": state,
		"code_challenge": oauth2.S256ChallengeFromVerifier(p.Verifier), "code_challenge_method": "S256",
	} {
		q.Set(name, value)
	}
	if len(c.cfg.Scopes) > 0 {
		q.Set("scope", strings.Join(c.cfg.Scopes, " "))
	}
	to.RawQuery = q.Encode()
	data, err := json.Marshal(p)
	return to.String(), data, err
}

// HandleCallback exchanges the code and asks who signed in. Faults:
// Unauthenticated, Denied, Precondition, Unavailable.
func (c *connector) HandleCallback(s dexconn.Scopes, data []byte, r *http.Request) (dexconn.Identity, error) {
	var p pending
	q := r.URL.Query()
	switch err := json.Unmarshal(data, &p); {
	case err != nil || p.State == "" || q.Get("state") != p.State:
		return dexconn.Identity{}, fault.New(fault.Unauthenticated, "the provider's response belongs to another sign-in").
			Next("start again").Because(err)
	case q.Get("error") != "":
		return dexconn.Identity{}, fault.New(fault.Denied,
			"the provider ended the sign-in (%s): %s",
			fetch.Clean(q.Get("error")), cmp.Or(fetch.Clean(q.Get("error_description")), "it gave no reason"))
	case q.Get("code") == "":
		return dexconn.Identity{}, fault.New(fault.Unauthenticated, "the provider's response has no code").
			Next("start the sign-in again")
	}
	ctx := r.Context()
	token, err := c.exchange(ctx, q.Get("code"), p.Verifier)
	if err != nil {
		return dexconn.Identity{}, err
	}
	var said claim.Set
	if err := c.client.JSON(ctx, c.cfg.UserInfoURL, "user information", token, &said); err != nil {
		return dexconn.Identity{}, err
	}
	return c.identity(ctx, s, said)
}

// exchange sends the secret in the header and, if that is refused, in the form:
// nothing says which of the two a provider takes.
func (c *connector) exchange(ctx context.Context, code, verifier string) (string, error) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {c.cfg.RedirectURI}, "code_verifier": {verifier}}
	token, status, err := c.request(ctx, form, true)
	if err == nil && token == "" && (status == http.StatusUnauthorized || status == http.StatusBadRequest) {
		form.Set("client_id", c.cfg.ClientID)
		form.Set("client_secret", c.cfg.ClientSecret)
		token, status, err = c.request(ctx, form, false)
	}
	switch {
	case err != nil:
		return "", err
	case fetch.IsOutage(status):
		return "", fault.New(fault.Unavailable, "the provider has a problem issuing tokens (HTTP status %d)", status).
			Next("try again later")
	case token == "":
		return "", fault.New(fault.Precondition, "the provider issued no token (HTTP status %d)", status).
			Next("check clientID, clientSecret and tokenURL").At("config.clientSecret")
	}
	return token, nil
}

func (c *connector) request(ctx context.Context, form url.Values, basic bool) (token string, status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.cfg.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", 0, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if basic {
		req.SetBasicAuth(url.QueryEscape(c.cfg.ClientID), url.QueryEscape(c.cfg.ClientSecret)) // RFC 6749, 2.3.1
	}
	status, body, err := c.client.Do(req, "tokens")
	if err != nil {
		return "", 0, err
	}
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if status == http.StatusOK && fetch.Decode(body, &answer) != nil {
		return "", status, fault.New(fault.Unauthenticated, "the provider's tokens cannot be read: the response is not valid JSON")
	}
	return answer.AccessToken, status, nil
}

// Replay is connector.Replayer's.
func (c *connector) Replay(claims map[string]any) (dexconn.Identity, error) {
	return c.identity(context.Background(), dexconn.Scopes{Groups: true}, claims)
}

func (c *connector) identity(ctx context.Context, s dexconn.Scopes, said claim.Set) (id dexconn.Identity, err error) {
	m := c.cfg.ClaimMapping
	claimlog.Record(ctx, said, claimlog.Use{As: claimlog.UserID, Claim: c.cfg.UserIDKey}, claimlog.Use{As: claimlog.Email, Claim: m.EmailKey},
		claimlog.Use{As: claimlog.Verified, Claim: m.EmailVerifiedKey}, claimlog.Use{As: claimlog.Name, Claim: m.UserNameKey},
		claimlog.Use{As: claimlog.Username, Claim: m.PreferredUsernameKey}, claimlog.Use{As: claimlog.Groups, Claim: m.GroupsKey})
	if number, ok := said[c.cfg.UserIDKey].(json.Number); ok { // as GitHub and others have it
		id.UserID = number.String()
	} else if id.UserID, err = said.ID(c.cfg.UserIDKey); err != nil {
		return id, err
	}
	for into, key := range map[*string]string{
		&id.Email: m.EmailKey, &id.Username: m.UserNameKey, &id.PreferredUsername: m.PreferredUsernameKey,
	} {
		if *into, err = said.Text(key); err != nil {
			return id, err
		}
	}
	id.EmailVerified = c.cfg.InsecureSkipEmailVerified || said[m.EmailVerifiedKey] == true
	if !id.EmailVerified {
		return id, fault.New(fault.Denied, "the provider does not say that the e-mail address of this account is verified").
			Next("have it verified there, or, if all addresses there can be trusted, set insecureSkipEmailVerified to true")
	}
	id.Username = cmp.Or(id.Username, id.PreferredUsername, id.Email)
	if s.Groups {
		id.Groups, err = groups(m.GroupsKey, said[m.GroupsKey])
	}
	return id, err
}

// groups are texts, or objects with a name; nil if nothing was said of them.
func groups(key string, said any) ([]string, error) {
	list, ok := said.([]any)
	if !ok {
		if said == nil {
			return nil, nil
		}
		return nil, fault.New(fault.Unauthenticated,
			"the provider's field %q is %s where a list of groups is expected", fetch.Clean(key), claim.KindOf(said)).
			Next("set claimMapping.groupsKey to another")
	}
	found := []string{}
	for n, item := range list {
		name, isText := item.(string)
		if object, ok := item.(map[string]any); ok {
			name, isText = object["name"].(string)
		}
		if !isText || name == "" {
			return nil, fault.New(fault.Unauthenticated, "the provider's field %q has no name of a group as item %d", fetch.Clean(key), n+1).
				Next("set claimMapping.groupsKey to another")
		}
		if !slices.Contains(found, name) {
			found = append(found, name)
		}
	}
	return found, nil
}
