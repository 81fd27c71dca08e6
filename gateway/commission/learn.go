package commission

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/ntpc-smart-community/lobby/drivers/kerong"
)

// learn asks which door a lock has opened, sees it closed again, and keeps it.
func (w *walk) learn(ctx context.Context, lock int, before []kerong.Raw) error {
	door, err := w.whichDoor(ctx)
	if err != nil {
		return err
	}
	if door == 0 {
		return w.progress.skip(lock)
	}
	f := found{Lock: lock, Door: door, Closed: bit(before[lock-1])}
	if w.options.Sensors {
		if f.Item, err = w.sensor(ctx, lock, door); err != nil {
			return err
		}
	}
	shut, err := w.shut(ctx, f)
	if err != nil {
		return err
	}
	if !shut {
		return w.progress.skip(lock)
	}
	if err := w.progress.learn(f); err != nil {
		return err
	}
	w.term.say(learntOne, lock, door, f.Closed)
	return nil
}

// shut has the door closed, and sees the lock's bit come back. It is false when the lock is skipped.
func (w *walk) shut(ctx context.Context, f found) (bool, error) {
	for {
		answer, err := w.term.ask(ctx, closeDoor, f.Door)
		if err != nil || answer == "s" {
			return false, err
		}
		now, err := w.read(ctx)
		if err != nil {
			return false, err
		}
		if bit(now[f.Lock-1]) == f.Closed {
			return true, nil
		}
		w.term.say(notClosed, f.Door)
	}
}

// whichDoor asks for the number on the door that moved; 0: the lock is skipped.
func (w *walk) whichDoor(ctx context.Context) (int, error) {
	for {
		answer, err := w.term.ask(ctx, whichDoor)
		if err != nil {
			return 0, err
		}
		number, again := strings.CutSuffix(answer, "!")
		door, bad := strconv.Atoi(number)
		taken, known := w.progress.door(door)
		switch {
		case answer == "s":
			return 0, nil
		case answer == "":
			continue
		case answer == "n":
			w.term.say(noDoorMoved)
		case bad != nil || !slices.Contains(w.plan.numbers(), door):
			w.term.say(noSuchDoor, answer, list(w.plan.numbers()))
		case known && !again:
			w.term.say(doorTaken, door, taken.Lock)
		case known:
			return door, w.progress.forget(taken.Lock)
		default:
			w.mindKept(door)
			return door, nil
		}
	}
}

// mindKept deals with a door that was to stay shut and moved all the same: its lock is known now.
func (w *walk) mindKept(door int) {
	for lock, shut := range w.kept {
		if shut == door {
			delete(w.kept, lock)
			w.term.say(openedKept, door)
		}
	}
}

// sensor has the installer hold a hand inside and take it out.
func (w *walk) sensor(ctx context.Context, lock, door int) (*bool, error) {
	sees := func(question text, args ...any) (item bool, answer string, err error) {
		if answer, err = w.term.ask(ctx, question, args...); err != nil {
			return false, answer, err
		}
		all, err := w.read(ctx)
		if err != nil {
			return false, answer, err
		}
		return all[lock-1].Item, answer, nil
	}
	for {
		inside, answer, err := sees(handInside, door)
		if err != nil {
			return nil, err
		}
		if answer == "n" {
			return new(bool), nil
		}
		outside, _, err := sees(handOutside)
		if err != nil {
			return nil, err
		}
		if inside && !outside {
			yes := true
			return &yes, nil
		}
		w.term.say(handUnseen)
	}
}
