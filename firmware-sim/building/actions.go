package building

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Kind is what an action is done to, as in the addresses of the API.
type Kind string

// The kinds.
const (
	Lines  Kind = "lines"
	Banks  Kind = "banks"
	Boards Kind = "boards"
	Locks  Kind = "locks"
	Meters Kind = "meters"
	Doors  Kind = "doors"
)

// Target is one thing of a building that can be touched.
type Target struct {
	Kind   Kind
	Name   string // of the line, bank, meter or door
	Number int    // address of the board, number of the lock; otherwise 0
}

// String is the target as errors name it: "lock A/3".
func (t Target) String() string {
	if t.Kind.numbered() {
		return fmt.Sprintf("%s %s/%d", t.Kind.one(), t.Name, t.Number)
	}
	return t.Kind.one() + " " + t.Name
}

// one is the kind's singular, as scripts have it.
func (k Kind) one() string { return strings.TrimSuffix(string(k), "s") }

// numbered reports whether a target has a number besides its bank's name.
func (k Kind) numbered() bool { return k == Boards || k == Locks }

// Option is what an action is told besides its target.
type Option struct {
	Name     string // as in Options
	Min, Max float64
	Of       []int    // the numbers it may be, instead of a range
	Words    []string // the words it may be, instead of a number
	Must     bool
}

// String is how to give the option: "rate, 0 to 0.5".
func (o Option) String() string {
	switch {
	case len(o.Words) > 0:
		return o.Name + ": " + oneOf(o.Words)
	case len(o.Of) > 0:
		return o.Name + ": " + oneOf(strings.Fields(strings.Trim(fmt.Sprint(o.Of), "[]")))
	case o.Max > o.Min:
		return fmt.Sprintf("%s, %.10g to %.10g", o.Name, o.Min, o.Max)
	}
	return o.Name
}

// wrong reports whether v, from JSON, is out of the option's range.
func (o Option) wrong(v any) bool {
	if n, ok := v.(float64); ok && o.Max > o.Min {
		return n < o.Min || n > o.Max
	}
	if n, ok := v.(float64); ok && len(o.Of) > 0 {
		return !slices.Contains(o.Of, int(n))
	}
	if s, ok := v.(string); ok && len(o.Words) > 0 {
		return !slices.Contains(o.Words, s)
	}
	return false
}

// Action is one thing that can be done to a kind of target. The API, the page and fault scripts know the same ones.
type Action struct {
	Kind   Kind
	Name   string
	ZH, EN string
	Fault  bool     // it lasts until it is undone; otherwise it is done once
	Takes  []Option // nothing else may be given
	Click  Options  // what one press on the page gives
	Undo   string   // of a fault: the action that ends it
	Off    Options  // what Undo is given

	do     func(b *Building, t Target, o Options) error
	now    func(s subject) *Options // of a fault: how it is on; nil: it is off
	fits   func(s subject) bool     // the target can have it; nil: every one of its kind
	shared func(s subject) string   // what the fault is of, where several targets share it; nil: the target's own
}

// Actions is the table of all that can be done to a building.
func Actions() []Action {
	return slices.Concat(lineActions(), bankActions(), boardActions(), lockActions(), meterActions(), doorActions())
}

// actionOf finds an action by its name.
func actionOf(k Kind, name string) (Action, error) {
	var names []string
	for _, a := range Actions() {
		if a.Kind == k && a.Name == name {
			return a, nil
		}
		if a.Kind == k {
			names = append(names, a.Name)
		}
	}
	return Action{}, fmt.Errorf("%w: %q: use %s", ErrAction, name, oneOf(names))
}

// Options is how to give the action's options: "ms, 0 to 10000, and perhaps rate, 0 to 1".
func (a Action) Options() string {
	var must, may []string
	for _, opt := range a.Takes {
		if opt.Must {
			must = append(must, opt.String())
		} else {
			may = append(may, "perhaps "+opt.String())
		}
	}
	return strings.Join(append(must, may...), ", and ")
}

// EndedBy is how a fault is ended: "drop, rate 0". It is empty for what is done once.
func (a Action) EndedBy() string {
	if !a.Fault {
		return ""
	}
	out, fields := a.Undo, a.Off.Fields()
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		out += ", " + name + " " + fields[name]
	}
	return out
}

// check refuses options that the action does not take, that are out of range, or that are missing.
func (a Action) check(o Options) error {
	given, err := o.given()
	if err != nil {
		return err
	}
	wrong, must := false, []string{}
	for _, opt := range a.Takes {
		v, ok := given[opt.Name]
		wrong = wrong || ok && opt.wrong(v) || !ok && opt.Must
		must = append(must, opt.String())
		delete(given, opt.Name)
	}
	switch {
	case wrong:
		return fmt.Errorf("%w: %s: give %s", ErrOptions, a.Name, strings.Join(must, ", and "))
	case len(given) == 0:
		return nil
	case len(must) == 0:
		return fmt.Errorf("%w: %s takes no options: leave %s out", ErrOptions, a.Name, oneOf(sortedKeys(given)))
	}
	return fmt.Errorf("%w: %s takes no %s: give %s", ErrOptions, a.Name, oneOf(sortedKeys(given)), strings.Join(must, ", and "))
}

// given are the options that are there, by name, as JSON has them.
func (o Options) given() (map[string]any, error) {
	out := map[string]any{}
	text, err := json.Marshal(o)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil { // a form may say NaN
		return nil, fmt.Errorf("%w: %w: give finite numbers", ErrOptions, err)
	}
	return out, nil
}

// Fields are the options that are there as a form sends them.
func (o Options) Fields() map[string]string {
	out := map[string]string{}
	given, err := o.given()
	if err != nil {
		return out
	}
	for name, v := range given {
		if n, ok := v.(float64); ok {
			out[name] = strconv.FormatFloat(n, 'f', -1, 64)
		} else {
			out[name] = fmt.Sprint(v)
		}
	}
	return out
}

func sortedKeys(m map[string]any) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// oneOf is a list for people: "a, b or c".
func oneOf(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// Options that several actions take.
func rate(most float64) Option { return Option{Name: "rate", Max: most, Must: true} }
func ms(most float64) Option   { return Option{Name: "ms", Max: most, Must: true} }
func onOff() []Option          { return []Option{{Name: "on"}} }

// Switch is one action of one target as it stands.
type Switch struct {
	Target Target
	Action Action
	On     bool
	Now    Options // of a fault that is on: how it is

	of string // of a fault that is on and shared: what it is of
}

// Press is what one press does: it ends a fault that is on, and does what is not with the usual options.
func (s Switch) Press() (do string, o Options) {
	if s.On {
		return s.Action.Undo, s.Action.Off
	}
	return s.Action.Name, s.Action.Click
}

// subject is the state of one target: that of its kind.
type subject struct {
	Target
	line  *LineState
	bank  *BankState
	board *BoardState
	lock  *LockState
	meter *MeterState
	door  *DoorState
}

func (s State) subjects() (out []subject) {
	for i := range s.Lines {
		out = append(out, subject{Target: Target{Kind: Lines, Name: s.Lines[i].Name}, line: &s.Lines[i]})
	}
	for n := range s.Banks {
		k := &s.Banks[n]
		out = append(out, subject{Target: Target{Kind: Banks, Name: k.Name}, bank: k})
		for i := range k.Boards {
			out = append(out, subject{Target: Target{Boards, k.Name, k.Boards[i].Address}, board: &k.Boards[i]})
		}
		for i := range k.Locks {
			out = append(out, subject{Target: Target{Locks, k.Name, k.Locks[i].Lock}, lock: &k.Locks[i]})
		}
	}
	for i := range s.Meters {
		out = append(out, subject{Target: Target{Kind: Meters, Name: s.Meters[i].ID}, meter: &s.Meters[i]})
	}
	for i := range s.Doors {
		out = append(out, subject{Target: Target{Kind: Doors, Name: s.Doors[i].ID}, door: &s.Doors[i]})
	}
	return out
}

// Targets are all that can be touched: lines, banks each with its boards and locks, meters, doors.
func (s State) Targets() (out []Target) {
	for _, x := range s.subjects() {
		out = append(out, x.Target)
	}
	return out
}

// Switches are the actions that fit a target, as they stand.
func (s State) Switches(t Target) (out []Switch) {
	for _, x := range s.subjects() {
		if x.Target == t {
			return x.switches(Actions())
		}
	}
	return nil
}

func (x subject) switches(all []Action) (out []Switch) {
	for _, a := range all {
		if a.Kind != x.Kind || a.fits != nil && !a.fits(x) {
			continue
		}
		w := Switch{Target: x.Target, Action: a}
		if a.now != nil {
			if o := a.now(x); o != nil {
				w.On, w.Now = true, *o
			}
		}
		out = append(out, w)
	}
	return out
}

// On are all faults that are switched on, target by target; one that several targets share is there for each.
func (s State) On() (out []Switch) {
	byKind := map[Kind][]Action{}
	for _, a := range Actions() {
		if a.now != nil {
			byKind[a.Kind] = append(byKind[a.Kind], a)
		}
	}
	for _, x := range s.subjects() {
		for _, a := range byKind[x.Kind] {
			if a.fits != nil && !a.fits(x) {
				continue
			}
			if o := a.now(x); o != nil {
				w := Switch{Target: x.Target, Action: a, On: true, Now: *o}
				if a.shared != nil {
					w.of = a.Name + " of " + a.shared(x)
				}
				out = append(out, w)
			}
		}
	}
	return out
}

// FaultsOn is the number of faults that are switched on; those that targets share count once.
func (s State) FaultsOn() int { return len(once(s.On())) }

// once leaves one of each fault that targets share.
func once(all []Switch) (out []Switch) {
	seen := map[string]bool{}
	for _, w := range all {
		if w.of == "" || !seen[w.of] {
			out = append(out, w)
		}
		seen[w.of] = true
	}
	return out
}
