package building

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// choice is what the page's address says about how it is looked at.
type choice struct {
	Lang    string // "zh" or "en"
	Pick    string // what was picked: "locks/A/18", "meters/m-101"; empty: nothing
	Wire    string // the line of the wire log; empty: all
	Only    bool   // of the wire log: frames of what was picked alone
	Bad     bool   // of the wire log: damaged frames alone
	Hold    bool   // the wire log stands still
	Meters  string // the line all of whose meters are shown, or "all"; empty: a few of each line
	Query   string // part of the id, serial number or model of the meters to show
	Trouble bool   // only meters with which something is wrong
}

// choose reads how the page is looked at: the language stays in a cookie, the rest in the address.
func choose(w http.ResponseWriter, r *http.Request) choice {
	q := r.URL.Query()
	on := func(name string) bool { return q.Get(name) == "1" }
	c := choice{
		Lang: "zh", Pick: q.Get("pick"), Wire: q.Get("wire"), Only: on("only"), Bad: on("bad"), Hold: on("hold"),
		Meters: q.Get("meters"), Query: strings.TrimSpace(q.Get("q")), Trouble: on("trouble"),
	}
	if k, err := r.Cookie("lang"); err == nil && k.Value == "en" {
		c.Lang = "en"
	}
	if lang := q.Get("lang"); lang == "en" || lang == "zh" {
		c.Lang = lang
		http.SetCookie(w, &http.Cookie{Name: "lang", Value: lang, Path: "/", MaxAge: 365 * 24 * 3600, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	}
	return c
}

func (c choice) query() string {
	q := url.Values{"lang": {c.Lang}}
	for name, value := range map[string]string{"pick": c.Pick, "wire": c.Wire, "meters": c.Meters, "q": c.Query} {
		if value != "" {
			q.Set(name, value)
		}
	}
	for name, on := range map[string]bool{"only": c.Only, "bad": c.Bad, "hold": c.Hold, "trouble": c.Trouble} {
		if on {
			q.Set(name, "1")
		}
	}
	return "?" + q.Encode()
}

// with is the address of the page looked at in another way.
func (c choice) with(change func(*choice)) string {
	change(&c)
	return "/" + c.query()
}

// picking is the address of the page with another thing picked.
func (c choice) picking(t Target) string {
	return c.with(func(c *choice) { c.Pick = t.path() })
}

func (c choice) word(zh, en string) string {
	if c.Lang == "en" {
		return en
	}
	return zh
}

// why is the reason why a button cannot be pressed, or nothing.
func (c choice) why(not bool, zh, en string) string {
	if not {
		return c.word(zh, en)
	}
	return ""
}

// path is the target as the page's addresses have it.
func (t Target) path() string {
	if t.Kind.numbered() {
		return fmt.Sprintf("%s/%s/%d", t.Kind, t.Name, t.Number)
	}
	return fmt.Sprintf("%s/%s", t.Kind, t.Name)
}

// target reads what path wrote; what was not written by it is a target that no building has.
func target(path string) Target {
	kind, rest, _ := strings.Cut(path, "/")
	t := Target{Kind: Kind(kind), Name: rest}
	if name, number, ok := strings.Cut(rest, "/"); ok && t.Kind.numbered() {
		t.Name = name
		t.Number, _ = strconv.Atoi(number) // 0 is the number of a board, and a reader's mistake harms nobody
	}
	return t
}

// called is the target as people call it.
func (c choice) called(t Target, s State) string {
	switch t.Kind {
	case Banks:
		return fmt.Sprintf(c.word("%s 棟", "bank %s"), t.Name)
	case Boards:
		return fmt.Sprintf(c.word("%s 棟 %d 號板", "%s, board %d"), t.Name, t.Number)
	case Locks:
		return fmt.Sprintf(c.word("%s %02d 號", "%s %02d"), t.Name, t.Number)
	case Doors:
		for _, d := range s.Doors {
			if d.ID == t.Name {
				return c.word(d.Name, d.English)
			}
		}
	}
	return t.Name
}
