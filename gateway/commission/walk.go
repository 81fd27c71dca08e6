package commission

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/kerong"
	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Bounds and waits of a walk.
const (
	maxPulses = 6                      // of one lock in a minute, as for everybody
	fresh     = 10 * time.Second       // an Enter opens a lock so long after it was pressed, and no later
	settle    = 100 * time.Millisecond // from the end of a pulse to a reading worth judging
	watch     = time.Second            // how long a bit may take to change after that
	calm      = 300 * time.Millisecond // after one bit has changed, for a second one that should not
	opening   = 3 * time.Second        // for the port to open
)

// Bench is the bank as kerong.Commission gives it.
type Bench interface {
	Locks() int
	Place(lock int) kerong.Place
	Read(ctx context.Context) ([]kerong.Raw, error)
	Pulse(ctx context.Context, lock int, notAfter time.Time) (kerong.Pulse, error)
}

// Deps is what a walk works with.
type Deps struct {
	Bench Bench
	Store *store.Store
	Clock *clock.Clock
	Held  map[int]string // what the record says of each door that is not vacant
	In    io.Reader      // what the installer types, line by line
	Out   io.Writer
	Flush func() // drops what was typed before a question; nil: nothing is
}

// Options say how a walk goes.
type Options struct {
	Data    string // folder in which what was learnt is kept
	Again   bool   // forget what an earlier walk has learnt
	Sensors bool   // ask for a hand inside each compartment, to learn item_sensors
	Lang    string // Chinese or English; empty means Chinese
}

// walk is one installer's way through a bank.
type walk struct {
	plan     Plan
	deps     Deps
	options  Options
	term     *terminal
	journal  journal
	progress progress
	kept     map[int]int // locks of doors that are to stay shut → the door
	pulses   map[int][]time.Time
}

// Run walks the installer through the bank of the plan, and writes the configuration when he agrees. ErrLeft says that he
// stopped before.
func Run(ctx context.Context, p Plan, d Deps, o Options) error {
	w := &walk{
		plan: p, deps: d, options: o, term: newTerminal(d.In, d.Out, o.Lang, d.Flush),
		journal: journal{d.Store, d.Clock, p.Locker.Bank},
		kept:    map[int]int{}, pulses: map[int][]time.Time{},
	}
	defer w.term.close()
	err := w.begin(ctx)
	if err == nil {
		err = w.all(ctx)
	}
	if errors.Is(err, ErrLeft) {
		w.term.say(stopped, len(w.progress.Found), len(p.numbers()))
	}
	return err
}

// begin says what will be done, asks about parcels, and sees that all boards answer.
func (w *walk) begin(ctx context.Context) error {
	p, other, err := openProgress(w.options.Data, w.plan)
	if err != nil {
		return err
	}
	w.progress = p
	w.term.say(greeting, w.plan.Locker.Bank, len(w.plan.Locker.Boards), w.deps.Bench.Locks(), len(w.plan.numbers()))
	if other {
		w.term.say(otherWiring)
	}
	if w.options.Again {
		w.progress.Found, w.progress.Skipped = nil, nil
	}
	if w.options.Sensors { // what was learnt without a hand inside is walked again
		w.progress.Found = slices.DeleteFunc(w.progress.Found, func(f found) bool { return f.Item == nil })
	}
	if n := len(w.progress.Found); n > 0 {
		w.term.say(wasKept, n)
	}
	if err := w.askParcels(ctx); err != nil {
		return err
	}
	if _, err := w.term.ask(ctx, closeAll); err != nil {
		return err
	}
	if _, err := w.read(ctx); err != nil {
		return err
	}
	return w.pending(ctx)
}

// pending records of an intent whose run ended in its middle that nobody saw what came of it (invariant 2).
func (w *walk) pending(ctx context.Context) error {
	in, ok, err := w.journal.pending()
	if err != nil || !ok {
		return err
	}
	w.term.say(leftPending, in.Lock)
	return w.journal.outcome(ctx, in, wire.LockOutcome{Pulsed: true, Seen: "restart"})
}

// askParcels has the installer name every door with something behind it that may be opened.
func (w *walk) askParcels(ctx context.Context) error {
	doors := slices.Sorted(maps.Keys(w.deps.Held))
	if len(doors) == 0 {
		return nil
	}
	w.term.say(parcelsInside, list(doors))
	for _, door := range doors {
		for {
			answer, err := w.term.ask(ctx, mayOpen, door, w.deps.Held[door])
			if err != nil {
				return err
			}
			if answer == strconv.Itoa(door) {
				break
			}
			if answer != "s" {
				continue
			}
			if !w.plan.Proven {
				w.term.say(cannotKeepShut, door)
				continue
			}
			lock := w.plan.lockOf(door)
			w.kept[lock] = door
			w.term.say(keptShut, door, lock)
			break
		}
	}
	return nil
}

// all walks the locks until every door is known, and writes what was learnt.
func (w *walk) all(ctx context.Context) error {
	for {
		for lock := w.next(); lock > 0; lock = w.next() {
			if err := w.lock(ctx, lock); err != nil {
				return err
			}
		}
		doors := w.unknown()
		if len(doors) == 0 {
			return w.finish(ctx)
		}
		if _, err := w.term.ask(ctx, missing, list(doors)); err != nil {
			return err
		}
		w.progress.Skipped = nil
	}
}

// unknown are the doors of which no lock is known.
func (w *walk) unknown() []int {
	shut := slices.Collect(maps.Values(w.kept))
	return slices.DeleteFunc(w.plan.numbers(), func(door int) bool {
		_, known := w.progress.door(door)
		return known || slices.Contains(shut, door)
	})
}

// next is the next lock to open; 0 when every door is known or every lock was walked.
func (w *walk) next() int {
	if len(w.unknown()) == 0 {
		return 0
	}
	for lock := 1; lock <= w.deps.Bench.Locks(); lock++ {
		_, known := w.progress.lock(lock)
		if _, shut := w.kept[lock]; !known && !shut && !slices.Contains(w.progress.Skipped, lock) {
			return lock
		}
	}
	return 0
}

// lock walks one lock: it returns when the lock was learnt or skipped.
func (w *walk) lock(ctx context.Context, lock int) error {
	for {
		before, err := w.read(ctx)
		if err != nil {
			return err
		}
		question, args := nextLock, []any{lock, w.deps.Bench.Place(lock).Board, w.deps.Bench.Place(lock).Lock + 1, len(w.unknown())}
		closed, known := w.progress.closed()
		open := known && bit(before[lock-1]) != closed
		if open {
			w.term.say(readsOpen, lock, closed, bit(before[lock-1]))
			question, args = enterOrSkip, nil
		}
		answer, err := w.term.ask(ctx, question, args...)
		switch {
		case err != nil:
			return err
		case answer == "s":
			return w.progress.skip(lock)
		case open || answer != "" || !w.room(lock):
			continue
		}
		if before, err = w.read(ctx); err != nil { // the question may have stood for long
			return err
		}
		seen, err := w.pulse(ctx, lock, before)
		if err != nil {
			return err
		}
		if seen != opened {
			continue
		}
		return w.learn(ctx, lock, before)
	}
}

// room tells whether a lock may be energised once more within the minute, and says when if it may not.
func (w *walk) room(lock int) bool {
	now := time.Now()
	w.pulses[lock] = slices.DeleteFunc(w.pulses[lock], func(at time.Time) bool { return now.Sub(at) >= time.Minute })
	if n := len(w.pulses[lock]); n >= maxPulses {
		w.term.say(tooOften, n, 1+int(w.pulses[lock][0].Add(time.Minute).Sub(now).Seconds()))
		return false
	}
	return true
}

// pulse energises a lock once, between its intent and its outcome, and says what was seen if that is not what should be. The
// error is the store's.
func (w *walk) pulse(ctx context.Context, lock int, before []kerong.Raw) (verdict, error) {
	in, err := w.journal.intend(ctx, lock)
	if err != nil {
		return silent, err
	}
	w.pulses[lock] = append(w.pulses[lock], time.Now())
	p, err := w.deps.Bench.Pulse(ctx, lock, time.Now().Add(fresh))
	kept := context.WithoutCancel(ctx) // what was done is recorded, whoever stops
	if err != nil {
		w.term.say(notSent, err)
		return silent, w.journal.outcome(kept, in, wire.LockOutcome{Seen: "refused"})
	}
	changed, heard := w.watch(kept, lock, p.At, before)
	seen := judge(lock, changed, heard)
	err = w.journal.outcome(kept, in, wire.LockOutcome{Pulsed: true, Seen: seen.String(), Moved: changed, Frames: frames(p.Frames)})
	w.explain(lock, seen, changed)
	return seen, err
}

// watch reads the boards until a bit has changed and no second one follows, or until none does. Heard tells whether the lock's
// board answered at the end.
func (w *walk) watch(ctx context.Context, lock int, at time.Time, before []kerong.Raw) (changed []int, heard bool) {
	end := at.Add(w.plan.Locker.Pulse + settle + watch)
	for next := at.Add(w.plan.Locker.Pulse + settle); ; next = time.Now().Add(settle) {
		time.Sleep(time.Until(next))
		after, _ := w.deps.Bench.Read(ctx) // a board that does not answer is not Known
		heard = after[lock-1].Known
		first := len(changed) == 0
		changed = merge(changed, moved(before, after))
		switch {
		case len(changed) > 0 && first:
			end = time.Now().Add(calm)
		case !time.Now().Before(end):
			return changed, heard
		}
	}
}

func (w *walk) explain(lock int, seen verdict, changed []int) {
	switch seen {
	case still:
		w.term.say(sawStill, lock)
	case silent:
		w.term.say(sawSilent, lock)
	case several:
		w.term.say(sawSeveral, lock, list(changed))
	case crossed:
		w.term.say(sawCrossed, lock, changed[0])
	}
}

// read reads all boards; while one does not answer, it says so and asks.
func (w *walk) read(ctx context.Context) ([]kerong.Raw, error) {
	for {
		all, err := w.whenOpen(ctx)
		if err == nil {
			return all, nil
		}
		if ctx.Err() != nil {
			return nil, ErrLeft
		}
		w.term.say(noAnswer, err)
		if _, err := w.term.ask(ctx, askAgain); err != nil {
			return nil, err
		}
	}
}

// whenOpen gives the line a moment to open its port: a request that comes before that fails at once.
func (w *walk) whenOpen(ctx context.Context) ([]kerong.Raw, error) {
	for end := time.Now().Add(opening); ; {
		all, err := w.deps.Bench.Read(ctx)
		if !errors.Is(err, drivers.ErrGone) || time.Now().After(end) {
			return all, err
		}
		select {
		case <-ctx.Done():
			return all, err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// list puts numbers into a line.
func list(numbers []int) string {
	var all []string
	for _, n := range numbers {
		all = append(all, fmt.Sprint(n))
	}
	return strings.Join(all, ", ")
}
