package building

import (
	"iter"
	"math/rand/v2"
	"slices"
	"time"
)

// Step is one touch of a script.
type Step struct {
	At      time.Duration // from the beginning of the script
	Target  Target
	Do      string // empty: nothing, for all that could be drawn have it already
	Options Options
	Entry   int  // which of the script's faults it is of, from 0
	Ends    bool // it ends what the entry began
}

// Steps are what the script does, in order. They may go on for ever.
func (s Script) Steps() iter.Seq[Step] {
	return func(yield func(Step) bool) {
		p := newPlan(s)
		for step, ok := p.next(); ok; step, ok = p.next() {
			if !yield(step) {
				return
			}
		}
	}
}

// plan is a script on its way.
type plan struct {
	entries []entry
	chance  []*rand.Rand             // of each entry, so that none draws what another one should
	begin   []time.Duration          // when each entry begins next; forEver: not again
	ends    []Step                   // of what has begun, in order
	held    map[string]time.Duration // until when a drawn target's fault is held
	fixed   map[string][]window      // of the entries that name their target
	all     []Action
}

func newPlan(s Script) *plan {
	p := &plan{entries: s.entries, held: map[string]time.Duration{}, fixed: windows(s.entries), all: Actions()}
	for i, e := range s.entries {
		p.chance = append(p.chance, rand.New(rand.NewPCG(s.seed, uint64(i))))
		p.begin = append(p.begin, p.draw(i, e.at))
	}
	return p
}

// draw draws a time in whole milliseconds above the least, as a recording has them.
func (p *plan) draw(i int, s span) time.Duration {
	if s.most <= s.least {
		return s.least
	}
	return s.least + time.Duration(p.chance[i].Int64N((s.most-s.least).Milliseconds()+1))*time.Millisecond
}

// next is the next step. What ends at a time comes before what begins then.
func (p *plan) next() (Step, bool) {
	i, at := -1, forEver
	for n, begin := range p.begin {
		if begin < at {
			i, at = n, begin
		}
	}
	switch {
	case len(p.ends) > 0 && p.ends[0].At <= at:
		end := p.ends[0]
		p.ends = p.ends[1:]
		return end, true
	case i < 0:
		return Step{}, false
	}
	return p.start(i, at), true
}

// start begins entry i.
func (p *plan) start(i int, at time.Duration) Step {
	e := p.entries[i]
	p.begin[i] = forEver
	if e.every.most > 0 {
		p.begin[i] = at + p.draw(i, e.every)
	}
	until := forEver
	if e.lasts.most > 0 {
		until = at + p.draw(i, e.lasts)
	}
	on := e.on
	if e.drawn {
		on = slices.DeleteFunc(slices.Clone(e.on), func(x subject) bool { return !p.free(e.action.keys(x, p.all), at, until) })
		if len(on) == 0 {
			return Step{At: at, Entry: i}
		}
		on = []subject{on[p.chance[i].IntN(len(on))]}
		if e.action.begins(e.options) {
			for _, key := range e.action.keys(on[0], p.all) {
				p.held[key] = until
			}
		}
	}
	step := Step{At: at, Target: on[0].Target, Do: e.action.Name, Options: e.options, Entry: i}
	if e.lasts.most > 0 {
		end := Step{At: until, Target: step.Target, Do: e.action.Undo, Options: e.action.Off, Entry: i, Ends: true}
		after := slices.IndexFunc(p.ends, func(s Step) bool { return s.At > until })
		if after < 0 {
			after = len(p.ends)
		}
		p.ends = slices.Insert(p.ends, after, end)
	}
	return step
}

// free reports whether nothing else of the script holds the faults at any time between.
func (p *plan) free(keys []string, from, to time.Duration) bool {
	for _, key := range keys {
		if p.held[key] > from {
			return false
		}
		for _, w := range p.fixed[key] {
			if w.from < to && from < w.to {
				return false
			}
		}
	}
	return true
}
