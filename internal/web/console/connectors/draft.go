package connectors

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"pachyderm/api/auth"
	"pachyderm/api/identity"
	"pachyderm/api/pach"
	"pachyderm/internal/cli/idp/preset"
	"pachyderm/internal/fault"
	"pachyderm/internal/web/console/page"
)

func choosePreset(c *page.Call) error {
	return c.Render(http.StatusOK, "connector-new", "Connect an identity provider", preset.All())
}

// blank is what a document leaves to be filled in.
type blank struct {
	Name, Label, Value string
	Secret             bool
	gap                string
}

type fillPage struct {
	preset.Preset
	Action          string // where the form goes
	Link            *pach.SetupLink
	MayLink         bool   // have somebody else do it
	Heading         string // what the provider is called
	Given, ID, Name string // Given is the domain
	Intro           string // and Steps are what to register there
	Steps           []step
	Callback        string
	Blanks          []blank
	Problem, Next   string
}

// fillIn is the first step: what to register there, and what to bring along.
func fillIn(c *page.Call) error {
	p, ok := preset.Named(c.R.PathValue("preset"))
	if !ok {
		return page.NotFound(c)
	}
	return showFillIn(c, own(c), p, func(string) string { return "" }, nil)
}

func showFillIn(c *page.Call, d desk, p preset.Preset, field func(name string) string, problem error) error {
	v, err := d.values(c, p, field)
	if err != nil {
		return err
	}
	register, err := p.Render("register", v)
	if err != nil {
		return err
	}
	gaps, err := blanks(p, v)
	if err != nil {
		return err
	}
	f := fillPage{
		Preset: p, Action: d.at, Link: d.link, MayLink: d.link == nil && c.May(auth.Permission_CLUSTER_IDENTITY_CREATE_IDP),
		Heading: p.Title, Given: field("domain"), ID: v.ID, Name: v.Name, Callback: v.Callback,
	}
	f.Intro, f.Steps = stepsOf(register)
	for _, b := range gaps {
		if !b.Secret {
			b.Value = field(b.Name)
		}
		f.Blanks = append(f.Blanks, b)
	}
	if p.Key == "oidc" {
		f.Heading = "an OpenID Connect provider"
	}
	code := http.StatusOK
	if problem != nil {
		code = http.StatusUnprocessableEntity
		f.Problem, f.Next = page.Words(problem)
	}
	return c.Render(code, "connector-fill", "Connect "+f.Heading, f)
}

// values are what the templates of a preset have.
func (d desk) values(c *page.Call, p preset.Preset, field func(string) string) (preset.Values, error) {
	known, err := c.API.Pach.GetSignIn(c.Context, &pach.GetSignInRequest{})
	domain, _ := p.Clean(field("domain"))
	if field("domain") == "" {
		domain = ""
	}
	callback := known.GetCallbackUrl()
	return preset.Values{
		ID: cmp.Or(d.link.GetConnectorId(), field("id"), p.Key), Name: cmp.Or(d.link.GetName(), field("name"), p.Title), Type: p.Type,
		Domain: domain, Callback: callback, Issuer: strings.TrimSuffix(callback, "/callback"),
	}, err
}

var (
	gap     = regexp.MustCompile(`<[A-Za-z][^<>]*>`)
	comment = regexp.MustCompile(`(?m)(^|\s)#.*$`)
)

// blanks are the gaps of a preset's document, each once. They are looked for in one
// without what people have written, which is no gap whatever it looks like.
func blanks(p preset.Preset, v preset.Values) (all []blank, err error) {
	v.ID, v.Name = "id", "name"
	if p.Key != "gitlab" || v.Domain != "" {
		v.Domain = "domain"
	}
	text, err := p.Render("document", v)
	met := map[string]bool{}
	for _, found := range gap.FindAllString(comment.ReplaceAllString(text, ""), -1) {
		label := strings.Trim(found, "<>")
		if met[label] {
			continue
		}
		met[label] = true
		all = append(all, blank{
			Name: "gap-" + strings.ReplaceAll(label, " ", "-"), Label: strings.ToUpper(label[:1]) + label[1:],
			Secret: strings.Contains(label, "secret") || strings.Contains(label, "password"), gap: found,
		})
	}
	return all, err
}

// fill puts what was filled in where the gaps are, in values only: no text can become
// a key.
func fill(v any, with map[string]string) any {
	switch v := v.(type) {
	case string:
		return gap.ReplaceAllStringFunc(v, func(found string) string { return with[found] })
	case map[string]any:
		for key := range v {
			v[key] = fill(v[key], with)
		}
	case []any:
		for n := range v {
			v[n] = fill(v[n], with)
		}
	}
	return v
}

// fromPreset makes a draft of a form of fillIn. Fault: Invalid.
func (k desk) fromPreset(c *page.Call, p preset.Preset) (d document, err error) {
	if clean, ok := p.Clean(c.Field("domain")); !ok && (clean != "" || p.Key != "gitlab") {
		return d, fault.New(fault.Invalid, "%q is not the %s", c.Field("domain"), p.Domain).Next("correct it").At("domain")
	}
	v, err := k.values(c, p, c.Field)
	if err != nil {
		return d, err
	}
	text, err := p.Render("document", v)
	if err != nil {
		return d, err
	}
	with := map[string]string{}
	gaps, err := blanks(p, v)
	if err != nil {
		return d, err
	}
	for _, b := range gaps {
		value := c.Field(b.Name)
		if value == "" {
			return d, fault.New(fault.Invalid, "%s is missing", b.Label).Next("fill it in").At(b.Name)
		}
		with[b.gap] = value
	}
	if err := yaml.Unmarshal([]byte(text), &d); err != nil {
		return d, err
	}
	fill(d.Config, with)
	return d, nil
}

func (k desk) seal(c *page.Call, d document) (string, error) {
	plain, err := json.Marshal(d)
	if err != nil {
		return "", err
	}
	sealed, err := c.Sealer.Seal(plain, k.place)
	return base64.RawURLEncoding.EncodeToString(sealed), err
}

func (k desk) unseal(c *page.Call) (d document, m *identity.IDPConnector, err error) {
	sealed, err := base64.RawURLEncoding.DecodeString(c.Field("draft"))
	if err == nil {
		sealed, err = c.Sealer.Open(sealed, k.place)
	}
	if err != nil {
		return d, nil, fault.New(fault.Invalid, "this set-up was begun in another session").Next("begin it again").Because(err)
	}
	if err = json.Unmarshal(sealed, &d); err != nil {
		return d, nil, err
	}
	m, err = d.message()
	return d, m, err
}

// draftPage is a draft as far as it got.
type draftPage struct {
	document
	Draft   string
	Steps   []*pach.CheckStep
	Failed  bool
	Test    *begun
	Result  *pach.WaitConnectorTestResponse
	Picks   []pick
	Action  string // below which the forms of the page are
	Link    *pach.SetupLink
	Problem string
	Next    string
}

// pick is something that a claim can be used as.
type pick struct {
	Name, Label, Claim string
	Options            []string // claims to choose from
}

// begun is a test that somebody can sign in by.
type begun struct{ ID, URL string }

// page is that of a draft, as change makes it.
func (k desk) page(c *page.Call, d document, change func(p *draftPage)) (page.News, error) {
	sealed, err := k.seal(c, d)
	p := draftPage{document: d, Draft: sealed, Action: k.at, Link: k.link}
	change(&p)
	return page.News{Name: "connector-draft", Title: "Connect " + d.Name, Data: p}, err
}

func (k desk) show(c *page.Call, code int, d document, change func(p *draftPage)) error {
	n, err := k.page(c, d, change)
	if err != nil {
		return err
	}
	return c.Render(code, n.Name, n.Title, n.Data)
}

// checkDraft is the second step: what the provider answers.
func (k desk) checkDraft(c *page.Call) error {
	p, err := k.preset(c)
	if err != nil {
		return err
	}
	d, err := k.fromPreset(c, p)
	if err == nil {
		var m *identity.IDPConnector
		if m, err = d.message(); err == nil {
			var steps []*pach.CheckStep
			if steps, err = k.check(m); err == nil {
				return k.show(c, http.StatusOK, d, func(p *draftPage) { p.Steps, p.Failed = steps, failed(steps) })
			}
		}
	}
	if !page.Mendable(err) {
		return err
	}
	return showFillIn(c, k, p, c.Field, err)
}

func failed(steps []*pach.CheckStep) bool {
	return slices.ContainsFunc(steps, func(s *pach.CheckStep) bool { return s.GetStatus() == pach.CheckStep_FAILED })
}

// lookAgainAfter is how long a check rests before it is made again by itself: each
// makes up to ten requests to the provider.
const lookAgainAfter = 10 * time.Second

// watchDraft checks again until nothing is wrong any more, while somebody works at the
// provider.
func (k desk) watchDraft(c *page.Call) error {
	d, m, err := k.unseal(c)
	if err != nil {
		return err
	}
	first := true
	return c.Live(func() (page.News, error) {
		if !first {
			c.Pause(lookAgainAfter)
		}
		first = false
		steps, err := k.check(m)
		if err != nil {
			return page.News{}, err
		}
		n, err := k.page(c, d, func(p *draftPage) { p.Steps, p.Failed = steps, failed(steps) })
		n.Last = !failed(steps)
		return n, err
	})
}

// testDraft begins the test sign-in.
func (k desk) testDraft(c *page.Call) error {
	d, _, err := k.unseal(c)
	if err != nil {
		return err
	}
	return k.beginTest(c, d)
}

func (k desk) beginTest(c *page.Call, d document) error {
	m, err := d.message()
	if err != nil {
		return err
	}
	b, err := k.begin(m)
	if err != nil {
		return err
	}
	return k.show(c, http.StatusOK, d, func(p *draftPage) { p.Test = b })
}

// testOf is the test of a form.
func testOf(c *page.Call) *begun { return &begun{ID: c.Field("test"), URL: c.Field("url")} }

// draftResult shows what the provider said, and what could be made of it.
func (k desk) draftResult(c *page.Call) error {
	d, _, err := k.unseal(c)
	if err != nil {
		return err
	}
	return c.Live(func() (page.News, error) {
		r, err := k.wait(c.Field("test"))
		if err != nil {
			return page.News{}, err
		}
		n, err := k.page(c, d, func(p *draftPage) {
			if !r.GetDone() {
				p.Test = testOf(c)
				return
			}
			p.Result, p.Picks = r, picks(d, r)
		})
		n.Same, n.Last = !r.GetDone(), r.GetDone()
		return n, err
	})
}

// picks are what claims can be picked as, with what they were used as.
func picks(d document, r *pach.WaitConnectorTestResponse) []pick {
	if d.Type != "oidc" {
		return nil
	}
	all := []pick{
		{Name: "id", Label: "What identifies a person, and never changes"},
		{Name: "email", Label: "E-mail address, which is their name here"},
		{Name: "name", Label: "Name to show"},
		{Name: "groups", Label: "Groups"},
	}
	for n := range all {
		p := &all[n]
		for _, claim := range r.GetClaims() {
			p.Options = append(p.Options, claim.GetName())
			if slices.Contains(strings.Split(claim.GetUsedAs(), ", "), usedAs()[p.Name]) {
				p.Claim = claim.GetName()
			}
		}
		// Some providers send a claim only once it is asked for.
		if standard := standardClaims()[p.Name]; !slices.Contains(p.Options, standard) {
			p.Options = append(p.Options, standard)
		}
	}
	return all
}

// usedAs is how a test calls what a claim was used as.
func usedAs() map[string]string {
	return map[string]string{"id": "user id", "email": "e-mail address", "name": "name", "groups": "groups"}
}

// standardClaims are those of OpenID Connect Core, 5.1, and the usual one for groups.
func standardClaims() map[string]string {
	return map[string]string{"id": "sub", "email": "email", "name": "name", "groups": "groups"}
}

// pickClaims changes what the claims are used as, and tests again.
func (k desk) pickClaims(c *page.Call) error {
	d, _, err := k.unseal(c)
	if err != nil {
		return err
	}
	if d.Config == nil || d.Type != "oidc" {
		return fault.New(fault.Invalid, "claims of a connector of type %s cannot be picked here", d.Type)
	}
	mapping, _ := d.Config["claimMapping"].(map[string]any)
	if mapping == nil {
		mapping = map[string]any{}
	}
	for _, as := range []string{"email", "name", "groups"} {
		if claim := c.Field(as); claim != "" && claim != as {
			mapping[as] = claim
		} else {
			delete(mapping, as)
		}
	}
	d.Config["insecureEnableGroups"] = c.Field("groups") != ""
	if delete(d.Config, "claimMapping"); len(mapping) > 0 {
		d.Config["claimMapping"] = mapping
	}
	if delete(d.Config, "userIDKey"); c.Field("id") != "" && c.Field("id") != "sub" {
		d.Config["userIDKey"] = c.Field("id")
	}
	return k.beginTest(c, d)
}

// storeDraft is the last step: people can sign in from then on, or what was prepared is
// handed in.
func (k desk) storeDraft(c *page.Call) error {
	d, m, err := k.unseal(c)
	if err != nil {
		return err
	}
	if err := k.store(m); err != nil {
		if !page.Mendable(err) {
			return err
		}
		return k.show(c, http.StatusUnprocessableEntity, d, func(p *draftPage) { p.Problem, p.Next = page.Words(err) })
	}
	if k.link != nil {
		return c.Done(setupHome, "")
	}
	return c.Done(at(d.ID), "connector")
}

// test begins a test sign-in of a stored connector, and result shows how it went.
func test(c *page.Call) error {
	id := c.R.PathValue("id")
	r, err := c.API.Pach.StartConnectorTest(c.Context, &pach.StartConnectorTestRequest{Document: &pach.ConnectorDocument{Id: id}})
	if err != nil {
		return err
	}
	return c.Render(http.StatusOK, "connector-draft", "Test "+id, draftPage{
		document: document{ID: id, Name: id}, Test: &begun{r.GetTestId(), r.GetUrl()}, Action: at(id),
	})
}

func result(c *page.Call) error {
	id := c.R.PathValue("id")
	return c.Live(func() (page.News, error) {
		r, err := own(c).wait(c.Field("test"))
		p := draftPage{document: document{ID: id, Name: id}, Action: at(id)}
		if r.GetDone() {
			p.Result = r
		} else {
			p.Test = testOf(c)
		}
		return page.News{Name: "connector-draft", Title: "Test of " + id, Data: p, Same: !r.GetDone(), Last: r.GetDone()}, err
	})
}
