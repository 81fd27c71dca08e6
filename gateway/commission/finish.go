package commission

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Old ends the name under which the old configuration is kept.
const Old = ".before-commission"

// finish writes what was learnt, if the installer agrees.
func (w *walk) finish(ctx context.Context) error {
	if err := w.checkKept(ctx); err != nil {
		return err
	}
	l := w.learnt()
	text, err := w.plan.result(l)
	if err != nil {
		return err
	}
	name := filepath.Base(w.plan.file)
	changed := !bytes.Equal(text, w.plan.text)
	if changed {
		w.term.say(willWrite, len(w.plan.numbers()), name, diff.Diff(name, w.plan.text, name, text))
		if err := w.agree(ctx); err != nil {
			return err
		}
		if err := w.write(text); err != nil {
			return err
		}
	} else {
		w.term.say(nothingToWrite, name)
	}
	done := wire.Commissioned{Doors: len(w.progress.Found), Kept: len(w.kept), Changed: changed}
	if done.Closed = *w.plan.Locker.Closed; l.closed != nil {
		done.Closed = *l.closed
	}
	if err := w.journal.commissioned(ctx, done); err != nil {
		return err
	}
	return w.progress.end()
}

// checkKept sees that the locks of doors that stayed shut read as the others do when closed.
func (w *walk) checkKept(ctx context.Context) error {
	for lock, door := range w.kept {
		for {
			all, err := w.read(ctx)
			if err != nil {
				return err
			}
			if closed, known := w.progress.closed(); !known || bit(all[lock-1]) == closed {
				break
			}
			if _, err := w.term.ask(ctx, keptDisagrees, door, lock); err != nil {
				return err
			}
		}
	}
	return nil
}

// learnt is what the configuration is to say. A bank all of whose doors stayed shut keeps what it says.
func (w *walk) learnt() learnt {
	l := learnt{locks: map[int]int{}}
	if closed, known := w.progress.closed(); known {
		l.closed = &closed
	}
	var blind []int
	for _, f := range w.progress.Found {
		l.locks[f.Door] = f.Lock
		if f.Item == nil || !*f.Item {
			blind = append(blind, f.Door)
		}
	}
	if w.options.Sensors {
		yes := len(blind) == 0
		l.sensors = &yes
		if yes {
			w.term.say(sensorsSeen)
		} else {
			w.term.say(sensorsBlind, list(blind))
		}
	}
	return l
}

// agree asks whether to write.
func (w *walk) agree(ctx context.Context) error {
	for {
		answer, err := w.term.ask(ctx, mayWrite)
		switch {
		case err != nil:
			return err
		case answer == "y":
			return nil
		case answer == "n":
			return ErrLeft
		}
	}
}

// write keeps the old configuration and replaces it by the new one.
func (w *walk) write(text []byte) error {
	p := &w.plan
	same, err := p.unchanged()
	if err != nil {
		return err
	}
	if !same {
		w.term.say(changedMeanwhile, p.file)
		return ErrLeft
	}
	info, err := os.Stat(p.file)
	if err != nil {
		return err
	}
	if err := keepOwner(p.file+Old, p.text, info); err != nil {
		return err
	}
	if err := keepOwner(p.file, text, info); err != nil {
		return err
	}
	w.term.say(written, p.file, filepath.Base(p.file)+Old)
	return nil
}

// keepOwner replaces a file and lets the result belong to whom info's does.
func keepOwner(path string, text []byte, info fs.FileInfo) error {
	if err := replace(path, text, info.Mode().Perm(), owner(info)); err != nil {
		return fmt.Errorf("%w: run this as whoever may write %s", err, filepath.Dir(path))
	}
	return nil
}
