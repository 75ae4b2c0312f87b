package page

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// News is a page as it is now.
type News struct {
	Name, Title string // of the template, and of the page
	Data        any
	Same        bool // nothing is new since the last
	Last        bool // nothing more will come
}

// Live answers a form that waits for something. A browser that asks for events (HTML
// Standard, 9.2: text/event-stream) is sent each page that next makes, until one is the
// last or the call has taken its time; any other gets the first.
func (c *Call) Live(next func() (News, error)) error {
	if c.R.Header.Get("Accept") != eventStream {
		n, err := next()
		if err != nil {
			return err
		}
		return c.Render(http.StatusOK, n.Name, n.Title, n.Data)
	}
	h := c.W.Header()
	h.Set("Content-Type", eventStream)
	h.Set("X-Accel-Buffering", "no") // nginx keeps answers back otherwise
	for c.Context.Err() == nil {
		n, err := next()
		switch {
		case err != nil && c.Context.Err() != nil:
			return nil //nolint:nilerr // it has taken its time, and the script asks again
		case err != nil:
			// The form, sent as any other, leads to the page that says why.
			return c.event("failed", nil)
		case n.Same:
			err = c.event("", nil)
		default:
			err = c.newsEvent(n)
		}
		if err != nil || n.Last {
			return err
		}
	}
	return nil
}

const eventStream = "text/event-stream"

func (c *Call) newsEvent(n News) error {
	html, err := execute(n.Name, "main", c.view(n.Title, n.Data))
	if err != nil {
		return err
	}
	return c.event("page", struct {
		Title string `json:"title"`
		HTML  string `json:"html"`
		Last  bool   `json:"last"`
	}{n.Title, string(html), n.Last})
}

// event sends one; without a name it is a comment, by which nobody on the way takes the
// connection for dead.
func (c *Call) event(name string, data any) error {
	text := ": nothing new\n\n"
	if name != "" {
		payload, err := json.Marshal(data)
		if err != nil {
			return err
		}
		text = "event: " + name + "\ndata: " + string(payload) + "\n\n"
	}
	if _, err := strings.NewReader(text).WriteTo(c.W); err != nil {
		return nil //nolint:nilerr // nobody is there any more
	}
	return http.NewResponseController(c.W).Flush()
}

// Pause waits, unless the call ends before.
func (c *Call) Pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.Context.Done():
	}
}
