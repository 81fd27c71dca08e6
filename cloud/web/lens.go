package web

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
)

// lens is how the operators' page is looked at. All of it stands in the address.
type lens struct {
	Lang    string
	Site    string // of this community alone
	State   string // in this state alone; "trouble": all that are not online
	Text    string // that say this somewhere
	After   string // from the row after this place on; see row.place
	Gateway string // one gateway, closely
}

const maxAsked = 80 // bytes of what may be asked for

func lensOf(r *http.Request) lens {
	ask := func(name string) string {
		s := strings.ToValidUTF8(strings.TrimSpace(r.URL.Query().Get(name)), "")
		return s[:min(len(s), maxAsked)]
	}
	return lens{Lang: tongue(r), Site: ask("site"), State: ask("state"), Text: strings.ToValidUTF8(ask("q"), ""), After: ask("after"), Gateway: ask("gateway")}
}

func (l lens) values() url.Values {
	v := url.Values{"lang": {l.Lang}}
	for name, value := range map[string]string{"site": l.Site, "state": l.State, "q": l.Text, "after": l.After, "gateway": l.Gateway} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return v
}

// To is the page's address, changed in pairs of name and value. What is changed is looked at from its beginning.
func (l lens) To(changes ...string) string {
	v := l.values()
	for i := 0; i+1 < len(changes); i += 2 {
		v.Del("after")
		v.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			v.Del(changes[i])
		}
	}
	return "/operator?" + v.Encode()
}

// Here is the address as it stands; Live is where the page's changes come from.
func (l lens) Here() string { return l.To() }

// Live is the address of the stream of the page's changes.
func (l lens) Live() string { return "/operator/live?" + l.values().Encode() }

// Narrow tells whether less than the whole fleet is looked at.
func (l lens) Narrow() bool { return l.Site != "" || l.State != "" || l.Text != "" }

// states are the states in the order in which they are worst.
var states = []fleet.State{fleet.Offline, fleet.Stale, fleet.Degraded, fleet.NeverSeen, fleet.Online}

// trouble is the choice of every state that is not online.
const trouble = "trouble"
