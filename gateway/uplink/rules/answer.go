package rules

import (
	"errors"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// maxPages bounds the pages of one answer.
const maxPages = 64

// Why an answer, or a page of one, does not count.
var (
	ErrNonce = errors.New("answers no pulse that waits for one")
	ErrLate  = errors.New("answers a pulse that is too old")
	ErrPage  = errors.New("page does not fit the others")
)

// Asked is the newest pulse, waiting for its answer. The zero value waits for none.
type Asked struct {
	Nonce string
	Sent  time.Duration // monotonic

	pages []wire.Answer // of one serial, by number; Page 0: not there
	have  int
}

// Take takes one page whose signature and gateway have been checked. Whole tells that all are there: the answer then
// holds the rows and refusals of all pages, and counts this once.
func (a *Asked) Take(page wire.Answer, now time.Duration) (answer wire.Answer, whole bool, err error) {
	switch {
	case a.Nonce == "" || page.Nonce != a.Nonce:
		return answer, false, ErrNonce
	case now-a.Sent > wire.AnswerSeconds*time.Second:
		return answer, false, ErrLate
	case page.Serial == "" || page.Pages < 1 || page.Pages > maxPages || page.Page < 1 || page.Page > page.Pages || !valid(page):
		return answer, false, ErrPage
	}
	if a.have > 0 && page.Serial > a.first().Serial { // a later answer to the same pulse
		a.pages, a.have = nil, 0
	}
	if a.have == 0 {
		a.pages = make([]wire.Answer, page.Pages)
	} else if f := a.first(); page.Serial != f.Serial || page.Pages != f.Pages || page.Time != f.Time ||
		page.Epoch != f.Epoch || page.State != f.State {
		return answer, false, ErrPage
	}
	if a.pages[page.Page-1].Page == 0 {
		a.pages[page.Page-1] = page
		a.have++
	}
	if a.have < len(a.pages) {
		return answer, false, nil
	}
	answer = a.pages[0]
	for _, p := range a.pages[1:] {
		answer.Rows = append(answer.Rows, p.Rows...)
		answer.Refusals = append(answer.Refusals, p.Refusals...)
	}
	*a = Asked{}
	return answer, true, nil
}

// first is any page that has come.
func (a *Asked) first() wire.Answer {
	for _, p := range a.pages {
		if p.Page > 0 {
			return p
		}
	}
	return wire.Answer{}
}

func valid(page wire.Answer) bool {
	for _, row := range page.Rows {
		if !row.Stream.Valid() || row.Epoch == 0 {
			return false
		}
		for _, r := range row.Whole {
			if r.From == 0 || r.To < r.From {
				return false
			}
		}
	}
	return true
}
