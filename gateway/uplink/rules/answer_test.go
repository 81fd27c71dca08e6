package rules

import (
	"errors"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// invariant 3: an answer counts whole, once, in time, and for the newest pulse
func TestAsked(t *testing.T) {
	page := func(serial string, n, of int) wire.Answer {
		return wire.Answer{Nonce: "n", Serial: serial, Page: n, Pages: of, Rows: []wire.Row{{Epoch: uint64(n), Stream: wire.Audit}}}
	}
	steps := []struct {
		name  string
		page  wire.Answer
		at    time.Duration
		whole bool
		err   error
		rows  int
	}{
		{"another pulse", wire.Answer{Nonce: "m", Serial: "1", Page: 1, Pages: 1}, 0, false, ErrNonce, 0},
		{"no serial", page("", 1, 1), 0, false, ErrPage, 0},
		{"page 0", page("1", 0, 1), 0, false, ErrPage, 0},
		{"too many pages", page("1", 1, maxPages+1), 0, false, ErrPage, 0},
		{"a bad row", wire.Answer{Nonce: "n", Serial: "1", Page: 1, Pages: 1, Rows: []wire.Row{{Epoch: 1, Stream: "x"}}}, 0, false, ErrPage, 0},
		{"a bad run", wire.Answer{Nonce: "n", Serial: "1", Page: 1, Pages: 1, Rows: []wire.Row{{Epoch: 1, Stream: wire.Audit, Whole: []wire.Run{{From: 3, To: 2}}}}}, 0, false, ErrPage, 0},
		{"first of two", page("1", 1, 2), 0, false, nil, 0},
		{"the same again", page("1", 1, 2), 0, false, nil, 0},
		{"another number of pages", page("1", 2, 3), 0, false, ErrPage, 0},
		{"a later answer to the pulse", page("2", 2, 2), 0, false, nil, 0},
		{"the rest of the earlier one", page("1", 2, 2), 0, false, ErrPage, 0},
		{"too late", page("2", 1, 2), time.Minute + 1, false, ErrLate, 0},
		{"in time", page("2", 1, 2), time.Minute, true, nil, 2},
		{"once more", page("2", 1, 2), time.Minute, false, ErrNonce, 0},
	}
	a := Asked{Nonce: "n"}
	for _, s := range steps {
		got, whole, err := a.Take(s.page, s.at)
		if whole != s.whole || !errors.Is(err, s.err) || len(got.Rows) != s.rows {
			t.Errorf("%s: Take = %d rows, %t, %v; want %d, %t, %v", s.name, len(got.Rows), whole, err, s.rows, s.whole, s.err)
		}
	}
}
