package building

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/parser"
)

const (
	maxEntries  = maxDone                // a recording must fit
	maxTime     = 31 * 24 * time.Hour    // of a script
	leastEvery  = 100 * time.Millisecond // between two beginnings of one entry
	forEver     = time.Duration(math.MaxInt64)
	scriptWords = "write a script as in docs/simulator.md"
)

// Script is what is to go wrong with a building, and when: times are from the moment at which it is played. The same script
// does the same at the same times, whatever of it is left to chance.
type Script struct {
	seed    uint64
	entries []entry
}

// entry is one line of a script.
type entry struct {
	action           Action
	options          Options
	at, every, lasts span      // every and lasts are zero where none is given
	on               []subject // one; or those of which each time one is drawn
	drawn            bool
}

// span is a time, or a range of which it is drawn.
type span struct{ least, most time.Duration }

// scriptText is a script as it is written.
type scriptText struct {
	Seed   *uint64     `yaml:"seed"` // of what is left to chance; missing: the building's
	Faults []entryText `yaml:"faults"`
}

// entryText is one line of a script as it is written. One of Line to Pick says what it is done to.
type entryText struct {
	At    string `yaml:"at"`    // when it begins: 5s, or drawn from 5s..10s; missing means 0s
	Every string `yaml:"every"` // from one beginning to the next: 30s or 30s..90s
	For   string `yaml:"for"`   // how long it lasts; missing: until something ends it
	Line  string `yaml:"line"`
	Bank  string `yaml:"bank"`
	Board string `yaml:"board"` // A/3: board 3 of bank A
	Lock  string `yaml:"lock"`  // A/3: door 3 of bank A
	Meter string `yaml:"meter"`
	Door  string `yaml:"door"`
	Pick  Kind   `yaml:"pick"` // each time another one of a kind: lines, banks, boards, locks, meters or doors
	Do    string `yaml:"do"`   // name of an action

	Options `yaml:",inline"`
}

// LoadScript reads and checks the fault script of a building's file.
func LoadScript(path string, cfg Config) (Script, error) {
	text, err := readFile(path)
	if err != nil {
		return Script{}, err
	}
	return ParseScript(path, text, cfg)
}

// ParseScript reads and checks a fault script for the building that cfg, which Load has checked, describes; name stands in
// front of every error.
func ParseScript(name string, text []byte, cfg Config) (Script, error) {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return Script{}, syntax(name, err, scriptWords)
	}
	var written scriptText
	if err := decode(text, &written); err != nil {
		return Script{}, syntax(name, err, scriptWords)
	}
	s := Script{seed: cfg.Seed}
	if written.Seed != nil {
		s.seed = *written.Seed
	}
	c := scriptChecker{checker: checker{name: name, file: file}, all: cfg.blank().subjects()}
	if n := len(written.Faults); n == 0 || n > maxEntries {
		c.wrong("$.faults", "%d faults; write 1 to %d", n, maxEntries)
		return Script{}, errors.Join(c.errs...)
	}
	for i, t := range written.Faults {
		s.entries = append(s.entries, c.entry(fmt.Sprintf("$.faults[%d]", i), t))
	}
	if len(c.errs) == 0 { // windows of sound entries alone mean something
		c.contradictions(s.entries)
	}
	if err := errors.Join(c.errs...); err != nil {
		return Script{}, err
	}
	return s, nil
}

// blank is the building that cfg describes before anything has happened to it.
func (cfg Config) blank() State {
	b, _, _ := assemble(cfg)
	s := b.State()
	for _, l := range cfg.Lines {
		s.Lines = append(s.Lines, LineState{Name: l.Name, Baud: l.Baud, TCP: l.TCP != "", Plugged: true})
	}
	return s
}

// scriptChecker checks a script against what there is in the building.
type scriptChecker struct {
	checker
	all []subject
}

func (c *scriptChecker) entry(at string, t entryText) (e entry) {
	e.at = c.span(at+".at", cmp.Or(t.At, "0s"), 0)
	e.options = t.Options
	kind, ok := c.target(at, t, &e)
	if !ok {
		return e
	}
	action, err := actionOf(kind, t.Do)
	if err != nil {
		c.wrong(at+".do", "%v", err)
		return e
	}
	e.action = action
	e.on = slices.DeleteFunc(e.on, func(x subject) bool { return action.fits != nil && !action.fits(x) })
	if len(e.on) == 0 {
		c.wrong(at+".do", "%s cannot happen there; choose another one, or another fault", t.Do)
	}
	if err := action.check(t.Options); err != nil {
		c.wrong(at, "%v", strings.TrimPrefix(err.Error(), ErrOptions.Error()+": "))
	}
	if t.Every != "" {
		e.every = c.span(at+".every", t.Every, leastEvery)
	}
	if t.For != "" {
		e.lasts = c.span(at+".for", t.For, time.Millisecond)
	}
	switch begins := action.begins(t.Options); {
	case t.For != "" && !begins:
		c.wrong(at+".for", "%s does not last; leave for out", t.Do)
	case t.Every != "" && t.For == "" && begins:
		c.wrong(at+".every", "%s does not end before it begins again; say for how long with for", t.Do)
	case t.Every != "" && !e.drawn && e.lasts.most >= e.every.least && begins:
		c.wrong(at+".for", "up to %v, and after %v it begins again; make for shorter than every", e.lasts.most, e.every.least)
	}
	return e
}

// begins reports whether the action with these options makes something wrong from then on.
func (a Action) begins(o Options) bool {
	return a.Fault && (a.Undo != a.Name || fmt.Sprint(o.Fields()) != fmt.Sprint(a.Off.Fields()))
}

// target finds what an entry is done to.
func (c *scriptChecker) target(at string, t entryText, e *entry) (Kind, bool) {
	named := []Target{{Lines, t.Line, 0}, {Banks, t.Bank, 0}, {Boards, t.Board, 0}, {Locks, t.Lock, 0}, {Meters, t.Meter, 0}, {Doors, t.Door, 0}}
	given := slices.DeleteFunc(slices.Clone(named), func(n Target) bool { return n.Name == "" })
	if len(given)+len(strings.Fields(string(t.Pick))) != 1 {
		c.wrong(at, "say what it is done to, once: line, bank, board, lock, meter, door or pick")
		return "", false
	}
	if t.Pick != "" {
		e.drawn = true
		if !slices.ContainsFunc(named, func(n Target) bool { return n.Kind == t.Pick }) {
			c.wrong(at+".pick", "%q; use lines, banks, boards, locks, meters or doors", t.Pick)
			return "", false
		}
		e.on = slices.DeleteFunc(slices.Clone(c.all), func(x subject) bool { return x.Kind != t.Pick })
		if len(e.on) == 0 {
			c.wrong(at+".pick", "the building has no %s", t.Pick)
		}
		return t.Pick, len(e.on) > 0
	}
	kind, name := given[0].Kind, given[0].Name
	var there []string
	for _, x := range c.all {
		if x.Kind == kind {
			if x.script() == name {
				e.on = []subject{x}
			}
			there = append(there, x.script())
		}
	}
	if len(e.on) == 0 {
		c.wrong(at+"."+kind.one(), "there is no %s %q; use %s", kind.one(), name, some(there))
	}
	return kind, len(e.on) > 0
}

// script is the target as scripts name it behind its kind: "A/3".
func (t Target) script() string {
	if t.Kind.numbered() {
		return t.Name + "/" + strconv.Itoa(t.Number)
	}
	return t.Name
}

// some are the first of many names, for people.
func some(names []string) string {
	const most = 12
	switch {
	case len(names) == 0:
		return "something else: there is none in this building"
	case len(names) > most:
		return strings.Join(names[:most], ", ") + " …"
	}
	return oneOf(names)
}

// span reads a time or a range of times.
func (c *scriptChecker) span(at, text string, least time.Duration) span {
	from, to, ranged := strings.Cut(text, "..")
	if !ranged {
		to = from
	}
	a, errA := time.ParseDuration(from)
	b, errB := time.ParseDuration(to)
	if errA != nil || errB != nil || a < least || b < a || b > maxTime {
		c.wrong(at, "%q; use a time like 5s or 1m30s, or a range like 5s..15s, from %v to %v", text, least, maxTime)
	}
	return span{a, b}
}

// keys are the faults of x that an action begins or ends.
func (a Action) keys(x subject, all []Action) (out []string) {
	key := func(a Action) string {
		of := x.Target.String()
		if a.shared != nil {
			of = string(x.Kind) + " " + a.shared(x)
		}
		return of + ", " + a.Undo
	}
	if a.Fault {
		return []string{key(a)}
	}
	for _, other := range all { // it may end others
		if other.Kind == a.Kind && other.Fault && (other.Undo == a.Name || a.Name == clearLine && other.Undo != "replug") {
			out = append(out, key(other))
		}
	}
	return out
}

// window is a time in which an entry holds a fault, at the widest.
type window struct {
	from, to time.Duration
	ends     bool // by itself
	repeats  bool
	entry    int
}

// windows are those of every entry that is not drawn, by fault.
func windows(entries []entry) map[string][]window {
	out, all := map[string][]window{}, Actions()
	for i, e := range entries {
		if e.drawn {
			continue
		}
		w := window{from: e.at.least, to: e.at.most, ends: e.lasts.most > 0, repeats: e.every.most > 0, entry: i}
		switch {
		case w.repeats:
			w.to = forEver
		case w.ends:
			w.to += e.lasts.most
		case e.action.begins(e.options):
			w.to = forEver
		}
		for _, key := range e.action.keys(e.on[0], all) {
			out[key] = append(out[key], w)
		}
	}
	return out
}

// contradictions refuses entries of which one ends what another one holds.
func (c *scriptChecker) contradictions(entries []entry) {
	for _, all := range windows(entries) {
		for i, b := range all {
			for _, a := range all[:i] {
				if (a.ends || b.ends || a.repeats || b.repeats) && a.from < b.to && b.from < a.to {
					e := entries[b.entry]
					c.wrong(fmt.Sprintf("$.faults[%d]", b.entry), "%s of %s while faults[%d] does the same to it; let one end before the other begins",
						e.action.Name, e.on[0].Target, a.entry)
				}
			}
		}
	}
	slices.SortFunc(c.errs, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) }) // maps have no order
}
