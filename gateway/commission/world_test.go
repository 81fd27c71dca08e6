package commission

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/kerong"
	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wired is what hangs on one place of the chain.
type wired struct {
	door    int  // 0: no door, and nothing else either
	closed  bool // what its bit reads while closed
	open    bool
	stuck   bool // the latch does not move
	deaf    bool // the latch moves and its switch says nothing
	shows   int  // the lock whose switch it moves, when wires are crossed; 0: its own
	drags   int  // another lock that opens with it
	item    bool // something is inside
	sensing bool // there is a sensor
}

// cabinet is a bank with somebody standing before it.
type cabinet struct {
	locks  []wired // index 0 is lock 1
	pulses []int   // of each lock: the oracle
	silent bool
	gone   error // what Pulse fails with, unsent
	point  func(string)
}

func (c *cabinet) Locks() int { return len(c.locks) }

func (c *cabinet) Place(lock int) kerong.Place {
	return kerong.Place{Board: (lock - 1) / 16, Lock: (lock - 1) % 16}
}

func (c *cabinet) Read(context.Context) ([]kerong.Raw, error) {
	c.at("read")
	all := make([]kerong.Raw, len(c.locks))
	if c.silent {
		return all, drivers.ErrSilent
	}
	for i := range c.locks {
		all[i] = kerong.Raw{Known: true, Latch: c.locks[i].closed, Item: c.locks[i].sensing && c.locks[i].item}
	}
	for i, l := range c.locks {
		if shown := max(l.shows, 0); l.open && !l.deaf {
			if shown == 0 {
				shown = i + 1
			}
			all[shown-1].Latch = !all[shown-1].Latch
		}
	}
	return all, nil
}

func (c *cabinet) Pulse(_ context.Context, lock int, _ time.Time) (kerong.Pulse, error) {
	c.at("before the pulse")
	if c.gone != nil {
		return kerong.Pulse{}, c.gone
	}
	c.pulses[lock-1]++
	l := &c.locks[lock-1]
	if l.door > 0 && !l.stuck {
		l.open = true
	}
	if l.drags > 0 {
		c.locks[l.drags-1].open = true
	}
	c.at("after the pulse")
	return kerong.Pulse{At: time.Now(), Frames: []drivers.Frame{{Sent: true, Bytes: []byte{2}}}}, nil
}

func (c *cabinet) at(point string) {
	if c.point != nil {
		c.point(point)
	}
}

// clone is the cabinet as it stands now.
func (c *cabinet) clone() *cabinet {
	return &cabinet{locks: slices.Clone(c.locks), pulses: slices.Clone(c.pulses)}
}

// newCabinet wires doors to locks 1, 2, …; 0 leaves a place empty.
func newCabinet(closed bool, doors ...int) *cabinet {
	c := &cabinet{pulses: make([]int, 32)}
	for _, d := range doors {
		c.locks = append(c.locks, wired{door: d, closed: closed})
	}
	for len(c.locks) < 32 {
		c.locks = append(c.locks, wired{})
	}
	return c
}

// opens is the doors that stand open.
func (c *cabinet) opens() (doors []int) {
	for _, l := range c.locks {
		if l.open {
			doors = append(doors, l.door)
		}
	}
	return doors
}

func (c *cabinet) shutAll() {
	for i := range c.locks {
		c.locks[i].open = false
	}
}

// person is who stands before the cabinet and reads the terminal: each question is answered when it is asked.
type person struct {
	cabinet *cabinet
	mind    func(question string) (answer string, own bool) // what this one does otherwise
	all     bytes.Buffer                                    // everything that was said
	read    int                                             // of it
	enters  int                                             // how often a lock was asked to be opened
	point   func(string)
}

func (p *person) Write(b []byte) (int, error) { return p.all.Write(b) }

func (p *person) Read(b []byte) (int, error) {
	asked := p.all.String()[p.read:]
	p.read = p.all.Len()
	if p.point != nil {
		p.point("asked")
	}
	answer, own := "", false
	if p.mind != nil {
		answer, own = p.mind(asked)
	}
	if answer == "EOF" {
		return 0, io.EOF
	}
	if !own {
		answer = p.answers(asked)
	}
	if is(asked, nextLock) && answer == "" {
		p.enters++
	}
	p.all.WriteString(answer + "\n")
	p.read = p.all.Len()
	return copy(b, answer+"\n"), nil
}

// answers is what a careful installer does.
func (p *person) answers(asked string) string {
	switch {
	case is(asked, whichDoor):
		if open := p.cabinet.opens(); len(open) == 1 {
			return fmt.Sprint(open[0])
		}
		return "n"
	case is(asked, closeDoor), is(asked, closeAll):
		p.cabinet.shutAll()
	case is(asked, enterOrSkip):
		if len(p.cabinet.opens()) == 0 {
			return "s"
		}
		p.cabinet.shutAll()
	case is(asked, nextLock):
		p.cabinet.shutAll()
	case is(asked, missing), is(asked, askAgain):
		return "q"
	case is(asked, mayWrite):
		return "y"
	}
	return ""
}

var verb = regexp.MustCompile(`%(\[\d\])?[a-z]`)

// is tells whether a question ends in m.
func is(asked string, m text) bool {
	pattern := "^"
	for i, literal := range verb.Split(m[1], -1) {
		if i > 0 {
			pattern += ".*"
		}
		pattern += regexp.QuoteMeta(literal)
	}
	i := strings.LastIndex(asked, strings.SplitN(verb.Split(m[1], -1)[0], "\n", 2)[0])
	for ; i >= 0; i = strings.LastIndex(asked[:i], verb.Split(m[1], -1)[0]) {
		if regexp.MustCompile("(?s)" + pattern + " $").MatchString(asked[i:]) {
			return true
		}
		if i == 0 {
			break
		}
	}
	return false
}

// bench is a walk's whole surroundings.
type bench struct {
	dir  string // of the store and the progress
	file string // the configuration
}

func newBench(t *testing.T, text string) bench {
	t.Helper()
	b := bench{dir: t.TempDir()}
	b.file = filepath.Join(b.dir, "gateway.yaml")
	if err := os.WriteFile(b.file, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	return b
}

// copied is the surroundings as a power cut would leave them now.
func (b bench) copied(t *testing.T) bench {
	t.Helper()
	c := bench{dir: t.TempDir()}
	c.file = filepath.Join(c.dir, "gateway.yaml")
	if err := os.CopyFS(c.dir, os.DirFS(b.dir)); err != nil {
		t.Fatal(err)
	}
	return c
}

// walk walks a person through the bank.
func (b bench) walk(t *testing.T, ctx context.Context, p *person, held map[int]string, o Options) error {
	t.Helper()
	plan, faults, err := Read(b.file, "A")
	if err != nil || len(faults) > 0 {
		t.Fatalf("Read() = %v, %v", faults, err)
	}
	st, err := store.Open(filepath.Join(b.dir, "gateway.db"), store.Options{Gateway: "gw-1", NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	o.Data, o.Lang = b.dir, English
	return Run(ctx, plan, Deps{Bench: p.cabinet, Store: st, Clock: clock.New(st.Boot(), time.Time{}, clock.System()), Held: held, In: p, Out: p}, o)
}

// events are the walk's events in the log, oldest first.
func (b bench) events(t *testing.T) (all []wire.Event) {
	t.Helper()
	st, err := store.Open(filepath.Join(b.dir, "gateway.db"), store.Options{Gateway: "gw-1", NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	err = st.View(func(tx *store.Tx) error {
		for from := uint64(1); ; {
			block, err := tx.Block(tx.Epoch(), wire.Audit, 1, from, 1000, 1<<20)
			if errors.Is(err, store.ErrNotHeld) {
				return nil
			}
			if err != nil {
				return err
			}
			for _, raw := range block.Events {
				ev, err := wire.DecodeEvent(raw)
				if err != nil {
					return err
				}
				if strings.HasPrefix(ev.Subject, "lock/") || strings.HasPrefix(ev.Subject, "bank/") {
					all = append(all, ev)
				}
			}
			from += uint64(len(block.Events))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// checkIntents holds the log against the pulses that were given: an intent before each, an outcome after each, and never two
// intents without an outcome between them.
func (b bench) checkIntents(t *testing.T, pulses int) {
	t.Helper()
	open, energised := "", 0
	for _, ev := range b.events(t) {
		switch ev.Type {
		case wire.LockOpening:
			var in wire.LockPulse
			if json.Unmarshal(ev.Data, &in) != nil || open != "" || in.Intent == "" {
				t.Errorf("intent %s while %q has no outcome", ev.Data, open)
			}
			open = in.Intent
		case wire.LockPulsed:
			var o wire.LockOutcome
			if json.Unmarshal(ev.Data, &o) != nil || o.Intent != open {
				t.Errorf("outcome %s; want that of intent %q", ev.Data, open)
			}
			if open = ""; o.Pulsed {
				energised++
			}
		}
	}
	if open != "" || energised < pulses {
		t.Errorf("log has %d pulses with outcome, intent %q without; the cabinet counts %d", energised, open, pulses)
	}
}

func (c *cabinet) total() (n int) {
	for _, p := range c.pulses {
		n += p
	}
	return n
}

// configured is what the configuration says of the bank now.
func (b bench) configured(t *testing.T) (closed int, locks map[int]int, proven bool) {
	t.Helper()
	plan, _, err := Read(b.file, "A")
	if err != nil {
		t.Fatal(err)
	}
	locks = map[int]int{}
	for _, d := range plan.numbers() {
		locks[d] = plan.lockOf(d)
	}
	return *plan.Locker.Closed, locks, plan.Proven
}
