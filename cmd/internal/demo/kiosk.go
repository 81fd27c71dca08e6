package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// errand is what a person wants at the kiosk: to deliver to units, or to collect for one.
type errand struct {
	units      []string // deliver: one parcel for each
	unit       string   // collect
	kind, code string   // collect: pin or household
}

func (e errand) delivers() bool { return len(e.units) > 0 }

// visitor is a person in front of the kiosk. He does what its screen says, and what one does at a door that is stuck or
// silent: try again, then leave. He counts every door that was opened for him.
type visitor struct {
	*soak
	errand
	left   []string      // units still to be delivered to
	put    bool          // deliver: the parcel at hand is inside
	used   bool          // the door that was asked for last has been used and closed
	before map[spot]bool // doors that stood open when the last one was asked for
	opened map[spot]bool
	tries  int
	done   int // parcels delivered or taken
	spoilt []string
}

// errandLimit is how long a person stays at the kiosk at most: he leaves then.
const errandLimit = 90 * time.Second

// leftAlone is how long a screen has to come back to its idle one by itself: it asks after 45 s, waits 20 more, and a visit's
// end takes a moment.
const leftAlone = 75 * time.Second

// atDoorFor is how long one has his hands in a compartment.
const atDoorFor = 1500 * time.Millisecond

// errGaveUp says that a person left without what he came for.
var errGaveUp = errors.New("left the kiosk")

// run does an errand. What he could not do is in spoilt; an error says that the kiosk does not do what it should.
func (v *visitor) run(ctx context.Context) error {
	v.left = v.units
	idle, err := v.leave(ctx) // whoever was there before
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, errandLimit, fmt.Errorf("%w after %v", errGaveUp, errandLimit))
	defer cancel()
	if idle {
		err = v.bear(ctx, v.begin(ctx))
	} else { // somebody's door stands open: he does what the screen asks for, and comes back later
		v.spoil("somebody else's door is on the screen")
		v.left = nil
	}
	if err != nil {
		return err
	}
	if err := v.stay(ctx); err != nil {
		return err
	}
	_, err = v.leave(context.WithoutCancel(ctx))
	return err
}

// stay does what the screen asks for until the visit is over, or ctx ends.
func (v *visitor) stay(ctx context.Context) error {
	for last := ""; ; {
		now, err := v.screen.look(ctx)
		if err != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		over, err := v.step(ctx, now)
		if err = v.bear(ctx, err); err != nil {
			return fmt.Errorf("on screen %s %s (before: %s): %w", now["screen"], now["phase"], last, err)
		}
		if over {
			return nil
		}
		last = now["screen"] + " " + now["phase"]
		if err := pause(ctx, 2*look); err != nil {
			v.spoil("left at " + last)
			return nil
		}
	}
}

// leave ends what is on the screen. Where that is not possible a person walks away, and it ends by itself, unless a door
// that comes and goes keeps it.
func (v *visitor) leave(ctx context.Context) (idle bool, err error) {
	if v.screen.home(ctx) == nil {
		return true, nil
	}
	v.did("walks away from the kiosk", 1)
	for began := time.Now(); time.Since(began) < leftAlone; {
		now, err := v.screen.look(ctx)
		if err != nil || now["screen"] == "idle" {
			return err == nil, err
		}
		if err := pause(ctx, time.Second); err != nil {
			return false, err
		}
	}
	return false, nil
}

// bear takes a touch that was refused as a person does: a lock is opened six times a minute at most, and a screen may have
// changed meanwhile. The screen says how to go on.
func (v *visitor) bear(ctx context.Context, err error) error {
	var refused refusedTouch
	if !errors.As(err, &refused) || refused.code >= http.StatusInternalServerError {
		return err
	}
	d := look
	if refused.code == http.StatusTooManyRequests {
		d = 5 * time.Second
		v.did("waits at a lock that was opened six times in a minute", 1)
	}
	if err := pause(ctx, d); err != nil && !errors.Is(err, errGaveUp) {
		return err
	}
	return nil
}

// begin says who he is.
func (v *visitor) begin(ctx context.Context) error {
	if v.delivers() {
		if _, err := v.screen.touch(ctx, "/deliver"); err != nil {
			return err
		}
		_, err := v.touch(ctx, "/digits", "digits", v.courier)
		return err
	}
	if _, err := v.screen.touch(ctx, "/collect"); err != nil {
		return err
	}
	if err := v.name(ctx, v.unit); err != nil {
		return err
	}
	if v.kind == "household" {
		if _, err := v.screen.touch(ctx, "/household"); err != nil {
			return err
		}
	}
	_, err := v.touch(ctx, "/digits", "digits", v.code)
	return err
}

// name types a unit's label.
func (v *visitor) name(ctx context.Context, unit string) error {
	now, err := v.screen.look(ctx)
	if err == nil && now["screen"] == "building" {
		_, err = v.screen.touch(ctx, "/building", "building", unit[:1])
	}
	if err == nil {
		_, err = v.screen.touch(ctx, "/unit", "unit", unit[2:])
	}
	return err
}

// step does what a screen asks for, and tells whether the visit is over.
func (v *visitor) step(ctx context.Context, now shown) (over bool, err error) {
	switch now["screen"] {
	case "building", "unit":
		if len(v.left) == 0 {
			return true, nil
		}
		return false, v.name(ctx, v.left[0])
	case "size":
		if now["error"] == "full" {
			v.spoil("no compartment is free")
			return true, nil
		}
		if _, err := v.screen.touch(ctx, "/size", "size", "S"); err != nil {
			return false, err
		}
		v.put, v.tries = false, 0
		_, err = v.touch(ctx, "/open")
	case "door":
		return v.atDoor(ctx, now)
	case "verify":
		_, err = v.screen.touch(ctx, "/empty", "answer", v.word(now, "yes", "no"))
	case "inside":
		answer := "took_back"
		if v.put {
			answer = "inside"
			v.done++
		}
		_, err = v.settle(ctx, answer)
	case "taken":
		_, err = v.screen.touch(ctx, "/taken", "answer", "yes")
	case "next":
		v.tries = 0
		_, err = v.touch(ctx, "/open")
	case "still":
		_, err = v.screen.touch(ctx, "/stay")
	case "idle", "thanks", "handed", "nothing":
		return true, nil
	case "pin", "household", "courier", "locked", "closed", "used", "ended", "office", "trouble", "refused", "full", "hours":
		v.spoil("refused: " + now["screen"] + " " + now["error"])
		return true, nil
	default:
		err = fmt.Errorf("the screen shows %v, which nobody expects", now)
	}
	return false, err
}

// settle says what became of the parcel at hand. A deposit of an earlier visit may be asked for first.
func (v *visitor) settle(ctx context.Context, answer string) (shown, error) {
	if len(v.left) > 0 {
		v.left = v.left[1:]
	}
	v.put = false
	return v.touch(ctx, "/inside", "answer", answer)
}

// word answers whether a compartment is empty.
func (v *visitor) word(now shown, empty, full string) string {
	s, _ := v.watch.state()
	for _, p := range v.places(now["door"]) {
		if v.opened[p] && s.inside(p) {
			return full
		}
	}
	return empty
}

// atDoor is in front of one door.
func (v *visitor) atDoor(ctx context.Context, now shown) (over bool, err error) {
	switch now["phase"] {
	case "opening", "closed":
		return false, nil
	case "open":
		if v.used { // the lock is read once a second
			return false, nil
		}
		return false, v.use(ctx, now["door"], now["role"] == "deliver")
	case "stuck":
		if v.tries++; v.tries < 3 {
			_, err = v.touch(ctx, "/open")
			return false, err
		}
	}
	v.spoil("door " + now["door"] + " " + now["phase"])
	if now["role"] == "deliver" { // with the parcel in his hands
		_, err = v.settle(ctx, "took_back")
		if errors.As(err, new(refusedTouch)) {
			return true, nil
		}
		return false, err
	}
	return true, nil
}

// use puts a parcel into the compartment that has sprung open, or takes it out, and closes it. One that is not seen to be
// open is waited for: the screen will say more.
func (v *visitor) use(ctx context.Context, number string, deliver bool) error {
	at, err := v.openDoor(ctx, number)
	if errors.Is(err, errNotSeen) {
		v.used = true // once is enough to complain
		v.spoil(err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	v.opened[at] = true
	if err := pause(ctx, atDoorFor); err != nil {
		return err
	}
	s, _ := v.watch.state()
	switch {
	case deliver && len(v.left) > 0 && !s.inside(at):
		err = v.hand.lock(ctx, at, "put")
	case !deliver && s.inside(at):
		err = v.hand.lock(ctx, at, "take")
		v.done++
	}
	if err != nil {
		return v.bothered("kiosk", err)
	}
	v.put, v.used = deliver && len(v.left) > 0, true
	return v.tolerate("kiosk", v.hand.close(ctx, v.watch, at))
}

// openDoor finds the door of a number that has sprung open, or else one that stands open already.
func (v *visitor) openDoor(ctx context.Context, number string) (at spot, err error) {
	sprung := func(any bool) func(buildingState) bool {
		return func(s buildingState) bool {
			open := s.openLocks()
			for _, p := range v.places(number) {
				if open[p] && (any || !v.before[p]) {
					at = p
					return true
				}
			}
			return false
		}
	}
	if err = v.watch.until(ctx, 2*time.Second, "an open door "+number, sprung(false)); errors.Is(err, errNotSeen) {
		if now, _ := v.watch.state(); sprung(true)(now) {
			return at, nil
		}
	}
	return at, err
}

// touch posts a form that may open a door, and counts it if it did.
func (v *visitor) touch(ctx context.Context, path string, fields ...string) (shown, error) {
	s, _ := v.watch.state()
	v.before, v.used = s.openLocks(), false
	now, err := v.screen.touch(ctx, path, fields...)
	if err == nil && now["screen"] == "door" && v.opens(path, now["phase"]) {
		v.count(number(now["door"]), 1)
	}
	return now, err
}

// opens tells whether a touch opened the door that is on the screen after it. A resident's code opens the first of his
// doors, unless one of them cannot be helped at the screen; an outcome may be there already where nothing could be sent.
func (v *visitor) opens(path, phase string) bool {
	switch path {
	case "/open":
		return true
	case "/digits":
		return !v.delivers() && (phase == "opening" || phase == "open" || phase == "stuck")
	}
	return false
}

func (v *visitor) spoil(what string) { v.spoilt = append(v.spoilt, what) }

// places are the locks whose doors have a number: banks begin anew at 1.
func (s *soak) places(door string) (all []spot) {
	for c, p := range s.locks {
		if c.number == number(door) {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b spot) int { return slices.Compare([]string{a.bank}, []string{b.bank}) })
	return all
}

// number is what stands on a door.
func number(door string) int {
	n, _ := strconv.Atoi(door) // the screen's own digits
	return n
}

// lock does something to a compartment, by its lock.
func (h hand) lock(ctx context.Context, at spot, action string) error {
	return h.touch(ctx, fmt.Sprintf("locks/%s/%d/%s", at.bank, at.lock, action), struct{}{})
}

// close closes a compartment's door, and pushes again where it does not catch at once. One that is closed already needs
// nobody.
func (h hand) close(ctx context.Context, w *watch, at spot) (err error) {
	for range 5 {
		if err = h.lock(ctx, at, "close"); ctx.Err() != nil {
			return err
		}
		seen := w.until(ctx, 2*time.Second, "door "+at.String()+" closed", func(s buildingState) bool { return !s.openLocks()[at] })
		if seen == nil || !errors.Is(seen, errNotSeen) {
			return seen
		}
		err = errors.Join(seen, err)
	}
	return err
}
