package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// life is what was done after a copy was made, and is lost when that is put back.
type life struct {
	door   string
	parcel parcelSeen
	events int // in the cloud's log, since the copy
	all    int
}

// live makes a copy of a process's database, starts the process again, and delivers a parcel to a household.
func (t *tour) live(ctx context.Context, p *Process, db string, who person, unit string) (l life, err error) {
	p.Stop()
	if err := errors.Join(copyFile(db, db+".copy"), t.restart(ctx, p)); err != nil {
		return l, err
	}
	before, err := t.d.ledger(ctx)
	if err != nil {
		return l, err
	}
	doors, err := t.visit(ctx, unit)
	if err != nil {
		return l, err
	}
	if l.parcel, err = t.pin(ctx, who, doors[0]); err != nil {
		return l, err
	}
	if _, err := t.level(ctx); err != nil {
		return l, err
	}
	after, err := t.d.ledger(ctx)
	l.door, l.events, l.all = doors[0], len(after.events)-len(before.events), len(after.events)
	if err == nil && l.events < 10 {
		err = fmt.Errorf("only %d events since the copy, want 10", l.events)
	}
	return l, err
}

// putBack puts the copy in the place of a database whose process was killed, and starts it again.
func (t *tour) putBack(ctx context.Context, p *Process, db string) error {
	if err := t.strike(ctx, time.Second); err != nil {
		return err
	}
	p.Kill()
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Remove(db + suffix); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return errors.Join(os.Rename(db+".copy", db), t.restart(ctx, p))
}

// rolledBack is step 5: the gateway's store is put back to a copy made ten events or more earlier.
func (t *tour) rolledBack(ctx context.Context) error {
	before, err := t.level(ctx)
	if err != nil {
		return err
	}
	db := filepath.Join(t.d.Dir, "gateway", "gateway.db")
	lost, err := t.live(ctx, t.d.Gateway, db, t.chen, t.chenHome.Unit)
	if err != nil {
		return err
	}
	if err := t.putBack(ctx, t.d.Gateway, db); err != nil {
		return err
	}
	var box boxSeen
	if err := until(ctx, "a new epoch", func() (bool, any, error) {
		box, err = t.manager.box(ctx, t.d.Box())
		return err == nil && box.Epoch > before.Epoch, box, err
	}); err != nil {
		return err
	}
	var found compartmentSeen
	if err := until(ctx, "the door that disagrees to need a check", func() (bool, any, error) {
		found, err = t.compartment(ctx, lost.door)
		return err == nil && found.Content == "needs_check", found, err
	}); err != nil {
		return err
	}
	if _, err := t.level(ctx); err != nil {
		return err
	}
	l, err := t.d.ledger(ctx)
	if err != nil {
		return err
	}
	t.seen["events_rolled_back"], t.seen["epochs"], t.seen["door"], t.seen["compartment"] = lost.events, []uint64{before.Epoch, box.Epoch}, lost.door, found
	if err := l.check(); err != nil {
		return err
	}
	return t.inEffect(ctx, lost.parcel.ID)
}

// inEffect checks that a parcel of the older life is still there, once.
func (t *tour) inEffect(ctx context.Context, id string) error {
	n := 0
	for _, state := range []string{"waiting", "ended"} {
		all, err := t.chen.parcels(ctx, t.site, state)
		if err != nil {
			return err
		}
		for _, p := range all {
			if p.ID == id {
				n++
			}
		}
	}
	if n != 1 {
		return fmt.Errorf("the older life's parcel is there %d times", n)
	}
	return nil
}

func (t *tour) restart(ctx context.Context, p *Process) error {
	_, err := p.Start(ctx)
	return err
}

// restored is step 6: the cloud's database is put back to a copy made ten events or more earlier.
func (t *tour) restored(ctx context.Context) error {
	if _, err := t.level(ctx); err != nil {
		return err
	}
	db := filepath.Join(t.d.Dir, "cloud", "lobby.db")
	lost, err := t.live(ctx, t.d.Cloud, db, t.lin, t.linHome.Unit)
	if err != nil {
		return err
	}
	if err := until(ctx, "the notice to be out", func() (bool, any, error) {
		return t.told(lost.parcel.ID) == 1, t.d.Inbox.Messages(), nil
	}); err != nil {
		return err
	}
	if err := errors.Join(t.answered(ctx), t.aged(ctx)); err != nil {
		return err
	}
	messages := len(t.d.Inbox.Messages())
	if err := t.putBack(ctx, t.d.Cloud, db); err != nil {
		return err
	}
	if _, err := t.level(ctx); err != nil {
		return err
	}
	l, err := t.d.ledger(ctx)
	if err != nil {
		return err
	}
	t.seen["events_asked_again"], t.seen["events"] = lost.events, len(l.events)
	if len(l.events) < lost.all {
		return fmt.Errorf("%d of %d events are there", len(l.events), lost.all)
	}
	if err := l.check(); err != nil {
		return err
	}
	if _, err := t.pin(ctx, t.lin, lost.door); err != nil {
		return err
	}
	return t.nobodyTwice(messages)
}

// answered makes the gateway connect again until the cloud's answer has covered everything that stood before: a hint alone
// delivers nothing, and the next pulse may be a minute away.
func (t *tour) answered(ctx context.Context) error {
	var began time.Time
	return until(ctx, "everything to be answered for", func() (bool, any, error) {
		h, err := t.health(ctx)
		answered := err == nil && h.Connected && h.Answered.After(began)
		if answered && !began.IsZero() && (h.Undelivered == 0 || h.Oldest.After(began)) {
			return true, h, nil
		}
		if answered { // and it did not cover what came just before
			began = time.Now()
			t.d.Link.Cut()
			t.d.Link.Mend()
		}
		return false, h, err
	})
}

// aged waits until what the gateway has marked delivered is older than the cloud's --tell-again.
func (t *tour) aged(ctx context.Context) error {
	return pause(ctx, tellAgain+time.Second)
}

func (t *tour) told(parcel string) int {
	n := 0
	for _, m := range t.d.Inbox.Messages() {
		if strings.Contains(string(m.Body), parcel) {
			n += m.Times
		}
	}
	return n
}

func (t *tour) nobodyTwice(messages int) error {
	all := t.d.Inbox.Messages()
	t.seen["notices"] = len(all)
	if len(all) != messages {
		return fmt.Errorf("%d notices before the restore, %d after it", messages, len(all))
	}
	for _, m := range all {
		if m.Times != 1 {
			return fmt.Errorf("notice %s came %d times", m.ID, m.Times)
		}
	}
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// unplugged is step 7.
func (t *tour) unplugged(ctx context.Context) error {
	const cycle = time.Second // boards are polled each second
	if err := t.strike(ctx, 2*time.Second); err != nil {
		return err
	}
	if err := t.hand.touch(ctx, "lines/rs485-a/unplug", struct{}{}); err != nil {
		return err
	}
	began := time.Now()
	if err := t.online(ctx, false); err != nil {
		return err
	}
	noticed := time.Since(began)
	if err := t.hand.touch(ctx, "lines/rs485-a/replug", map[string]string{"link": "rs485-a-other"}); err != nil {
		return err
	}
	if err := t.online(ctx, true); err != nil {
		return err
	}
	state, err := t.hand.state(ctx)
	if err != nil {
		return err
	}
	t.seen["noticed_after_seconds"], t.seen["port"] = noticed.Seconds(), filepath.Base(state.Lines[0].Path)
	if noticed > 3*cycle {
		return fmt.Errorf("noticed after %v, want 3 poll cycles", noticed)
	}
	waiting, err := t.lin.parcels(ctx, t.site, "waiting")
	if err != nil || len(waiting) == 0 {
		return fmt.Errorf("%d parcels wait: %w", len(waiting), err)
	}
	collected, err := t.fetch(ctx, t.linHome.Unit, "household", t.linCode)
	if err != nil {
		return err
	}
	places, err := t.d.leaks(t.secrets) // once more, after everything that went wrong
	t.seen["collected_from"], t.seen["codes"], t.seen["places_searched_for_codes"] = collected, len(t.secrets), places
	return err
}

// online waits until /healthz says that every board answers, or that none does.
func (t *tour) online(ctx context.Context, want bool) error {
	return until(ctx, fmt.Sprintf("boards online: %t", want), func() (bool, any, error) {
		h, err := t.health(ctx)
		boards, right := 0, 0
		for _, d := range h.Devices {
			if strings.HasPrefix(d.ID, "locker/") {
				boards++
				if d.Online == want {
					right++
				}
			}
		}
		return err == nil && boards > 0 && right == boards, h.Devices, err
	})
}
