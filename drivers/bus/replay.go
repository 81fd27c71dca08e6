package bus

import (
	"bytes"
	"time"
)

// Concluded is what became of one request of a recording: when it was recorded, and by the same bytes now.
type Concluded struct {
	At        time.Duration // when it was sent, as in Record
	Line      string        // name of its line
	Device    string
	Request   []byte
	Answer    []byte  // as cut out now; empty: none
	Then, Now Outcome // Then is 0 when the recording ends before
	Told      string  // what the asker was told then; empty if no error
	Explained string  // what the request asked and the answer says, by its driver
	Differs   bool    // another outcome, another answer or other drops than then
}

// Replay feeds a recording's bytes, in the pieces in which they came, to the code that judges them on a line, and says of
// each request what it concludes. What no decoder knows is Undecoded, and differs.
func Replay(records []Record, decoders []Decoder) []Concluded {
	var all []Concluded
	r := replay{decoders: decoders}
	for _, one := range records {
		switch one.Kind {
		case LineIs:
			all = r.unended(all)
			r.line, r.echo = one.Text, one.Echo
		case FrameSent:
			all = r.unended(all)
			r.sent(one)
		case BytesReceived:
			if r.asked && !r.done {
				r.done = r.hearing.hear(one.Bytes)
				r.late = r.overdue
			}
		case TimedOut:
			r.overdue = true
		case Ended:
			if r.asked {
				all = append(all, r.ended(one))
			}
		}
	}
	return r.unended(all)
}

// replay is the request under way.
type replay struct {
	decoders []Decoder
	line     string
	echo     bool

	hearing
	asked   bool // one is under way
	sentAs  Record
	decoder Decoder
	done    bool // its answer is whole
	overdue bool // its time-out is over
	late    bool // its last piece came after that
}

func (r *replay) sent(one Record) {
	*r = replay{decoders: r.decoders, line: r.line, echo: r.echo, asked: true, sentAs: one}
	r.hearing = hearing{frame: one.Bytes, echo: r.echo}
	for _, d := range r.decoders {
		if m, ok := d.Match(one.Device, one.Bytes); ok {
			r.decoder, r.hearing.match = d, m
			return
		}
	}
}

// outcome is what is concluded now. What only the line knew, that it broke, is as it was then.
func (r *replay) outcome(then Outcome) Outcome {
	switch {
	case r.decoder == nil:
		return Undecoded
	case !r.echo && r.returned():
		return Echoed
	case r.done && r.late:
		return AnsweredLate
	case r.done:
		return Answered
	case then == Broken:
		return Broken
	case r.hearing.match == nil:
		return Listened
	}
	return Silent
}

func (r *replay) concluded() Concluded {
	c := Concluded{At: r.sentAs.At, Line: r.line, Device: r.sentAs.Device, Request: r.sentAs.Bytes, Answer: r.answer}
	if r.decoder != nil {
		if r.hearing.match == nil {
			c.Answer = r.in
		}
		c.Explained = r.decoder.Explain(c.Device, c.Request, c.Answer)
	}
	return c
}

func (r *replay) ended(then Record) Concluded {
	c := r.concluded()
	c.Then, c.Now, c.Told = then.Outcome, r.outcome(then.Outcome), then.Text
	c.Differs = c.Now != c.Then || !bytes.Equal(c.Answer, then.Bytes) || r.bad != then.Bad || r.foreign != then.Foreign
	r.asked = false
	return c
}

// unended ends a request of which the recording does not say what became.
func (r *replay) unended(all []Concluded) []Concluded {
	if !r.asked {
		return all
	}
	r.asked = false
	c := r.concluded()
	c.Now = r.outcome(0)
	return append(all, c)
}
