package bus

import "bytes"

// hearing cuts the answer to one request out of what comes, piece by piece. The line and a replay use the same one: what it
// says depends on the pieces alone.
type hearing struct {
	frame   []byte  // what was sent
	match   Matcher // nil: no answer is awaited
	echo    bool    // the adapter's echo is still awaited
	in      []byte  // what came and is not judged yet, at most maxInput
	answer  []byte  // what was cut out
	bad     int     // damaged frames dropped
	foreign int     // sound but foreign frames dropped
	bare    bool    // the answer came without the echo that was awaited
	first   []byte  // the first bytes that came, at most one more than were sent
}

// hear takes one piece, and tells whether the answer is whole.
func (h *hearing) hear(piece []byte) (done bool) {
	if room := len(h.frame) - len(h.first); room > 0 {
		h.first = append(h.first, piece[:min(room, len(piece))]...)
	}
	h.in = append(h.in, piece...)
	if over := len(h.in) - maxInput; over > 0 {
		h.in = h.in[over:] // the oldest go: they were no answer
	}
	if h.echo && !h.echoed() {
		return false
	}
	for h.match != nil && len(h.in) > 0 {
		v, n := h.match(h.in)
		n = max(1, min(n, len(h.in)))
		switch v {
		case More:
			return false
		case Complete:
			h.answer, h.in = h.in[:n:n], h.in[n:]
			return true
		case Foreign:
			h.foreign++
		default:
			h.bad++
		}
		h.in = h.in[n:]
	}
	return false
}

// echoed takes the adapter's echo off, and tells whether it is off.
func (h *hearing) echoed() bool {
	n := min(len(h.in), len(h.frame))
	switch {
	case !bytes.Equal(h.in[:n], h.frame[:n]): // somebody spoke while we did, or there is no echo
		h.bare = h.takes(h.in)
		h.bad++
		h.in = nil
		return false
	case n < len(h.frame):
		return false
	}
	h.in, h.echo = h.in[n:], false
	return true
}

// takes tells whether b begins with what the Matcher takes for the answer.
func (h *hearing) takes(b []byte) bool {
	if h.match == nil || len(b) == 0 {
		return false
	}
	v, _ := h.match(b)
	return v == Complete
}

// returned tells whether what came begins with exactly what was sent, where that cannot be the answer: a write's answer
// is its own echo.
func (h *hearing) returned() bool {
	return h.match != nil && bytes.Equal(h.first, h.frame) && !h.takes(h.frame)
}

// begun tells whether an answer has begun and is not whole.
func (h *hearing) begun() bool { return len(h.in) > 0 && !h.echo && h.match != nil }
