package trace

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestBrief_IsHowABodyBegins(t *testing.T) {
	want := Brief{Took: time.Second, Error: `"no"`, Setting: "config.scopes", Next: "ask"}
	whole, err := json.Marshal(Body{Brief: want, Detail: "more", Claims: []Claim{{Name: "groups", Value: strings.Repeat("x", 1000)}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{
		"whole":                string(whole),
		"without what follows": string(whole[:len(whole)-500]),
		"of an older version":  `{"Took":1000000000,"Claims":[{"Next":"of a claim"}],"Error":"\"no\"","Detail":null,"Setting":"config.scopes","Next":"ask","Private":true}`,
		"in another order":     `{"Took":1000000000,"Next":"ask","Error":"\"no\"","Setting":"config.scopes"`,
	} {
		if got, err := briefOf([]byte(body)); err != nil || got != want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	var opened Body
	if err := json.Unmarshal(whole, &opened); err != nil || opened.Brief != want || opened.Detail != "more" {
		t.Errorf("%+v, %v", opened, err)
	}
	for _, body := range []string{"", "x", `{"Took":"x"}`, `{"Took":1,`} {
		if got, err := briefOf([]byte(body)); err == nil {
			t.Errorf("%q is %+v", body, got)
		}
	}
	if got, err := briefOf([]byte(`{}`)); err != nil || got != (Brief{}) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestBriefs_AreBounded(t *testing.T) {
	var b briefs
	for n := range 5 * remembered {
		b.add(strconv.Itoa(n), Brief{Took: time.Duration(n)})
		b.of("0") // which is asked for all the time
	}
	if n := len(b.last) + len(b.before); n > 2*remembered {
		t.Errorf("%d are remembered", n)
	}
	if got, ok := b.of("0"); !ok || got.Took != 0 {
		t.Errorf("what is asked for is forgotten: %v, %v", got, ok)
	}
	if got, ok := b.of(strconv.Itoa(5*remembered - 1)); !ok || got.Took != 5*remembered-1 {
		t.Errorf("the last is forgotten: %v, %v", got, ok)
	}
	if _, ok := b.of("1"); ok {
		t.Error("what was not asked for is remembered")
	}
}
