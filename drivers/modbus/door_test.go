package modbus

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goburrow/modbus"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

const unitOf = 3 // the relay module of these tests

// doorRig is a door on output 1, its module, and what it logged.
type doorRig struct {
	*Door
	*module
	peer *peer
	line *bus.Bus
	plug func(in bool)
	log  *journal
}

// journal keeps a log that timers write too.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.String()
}

func newDoorRig(t *testing.T, cfg DoorConfig, line bus.Config) *doorRig {
	t.Helper()
	r := &doorRig{module: relay(), log: &journal{}}
	r.peer = newPeer(map[byte]*module{unitOf: r.module})
	r.peer.tcp, r.peer.echo = cfg.Protocol == TCP, line.Echo
	r.line, r.plug = inBubble(t, r.peer, line)
	cfg.Device, cfg.Address, cfg.Log = "door/ktv", unitOf, slog.New(slog.NewTextHandler(r.log, nil))
	if cfg.Output == 0 {
		cfg.Output = 1
	}
	var err error
	if r.Door, err = NewDoor(r.line, cfg); err != nil {
		t.Fatal(err)
	}
	if err := r.Secure(t.Context()); err != nil {
		t.Fatalf("Secure() = %v", err)
	}
	if _, err := r.read(t.Context(), manner{tape: &tape{}}); err != nil { // the line knows it from here on
		t.Fatalf("read() = %v", err)
	}
	return r
}

// lose makes the module silent to the next n writes of value; deaf: it does not do them either.
func (r *doorRig) lose(n int, value uint16, deaf bool) {
	matches := func(pdu []byte) bool {
		if n == 0 || pdu[0] != 5 || pdu[3] != byte(value>>8) || pdu[4] != byte(value) {
			return false
		}
		n--
		return true
	}
	r.peer.locked(func() {
		r.obey, r.say = nil, nil
		if deaf {
			r.obey = func(pdu []byte) bool { return !matches(pdu) }
			return
		}
		r.say = func(pdu, good []byte) []byte {
			if matches(pdu) {
				return nil
			}
			return good
		}
	})
}

func (r *doorRig) unlocked() bool { return r.peer.isOn(unitOf, 1) }

func TestDoorStatus(t *testing.T) {
	in := func(n int) *int { return &n }
	for _, c := range []struct {
		name     string
		cfg      DoorConfig
		inputs   map[uint16]bool
		on       bool
		want     drivers.DoorStatus
		requests int
	}{
		{"open is 1, closed", DoorConfig{Contact: in(0), OpenIs: 1}, nil, false, drivers.DoorStatus{Contact: drivers.ContactClosed}, 2},
		{"open is 1, open", DoorConfig{Contact: in(0), OpenIs: 1}, map[uint16]bool{0: true}, false, drivers.DoorStatus{Contact: drivers.ContactOpen}, 2},
		{"open is 0, open", DoorConfig{Contact: in(2)}, nil, true, drivers.DoorStatus{Contact: drivers.ContactOpen, Released: true}, 2},
		{"open is 0, closed, and a button", DoorConfig{Contact: in(12), Exit: in(3)}, map[uint16]bool{3: true, 12: true}, false,
			drivers.DoorStatus{Contact: drivers.ContactClosed, Exit: true}, 2},
		{"button only", DoorConfig{Exit: in(7)}, map[uint16]bool{6: true}, false, drivers.DoorStatus{}, 2},
		{"nothing fitted", DoorConfig{}, nil, false, drivers.DoorStatus{}, 1},
		{"over TCP", DoorConfig{Protocol: TCP, Contact: in(0), OpenIs: 1}, nil, false, drivers.DoorStatus{Contact: drivers.ContactClosed}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				line := bus.Config{}
				if c.cfg.Protocol == TCP {
					line = direct
				}
				r := newDoorRig(t, c.cfg, line)
				r.peer.locked(func() { r.inputs, r.coils[1], r.peer.asked = c.inputs, c.on, 0 })
				got, err := r.Status(t.Context())
				if err != nil || got != c.want || r.peer.asked != c.requests || r.peer.others != 0 {
					t.Errorf("Status() = %+v, %v by %d requests; want %+v by %d", got, err, r.peer.asked, c.want, c.requests)
				}
				if h := r.Health()[0]; !h.Online || h.Device != "door/ktv" {
					t.Errorf("health = %+v", h)
				}
			})
		})
	}
}

// invariant 2, 5: one release is one frame, and the module's own timer ends it (invariant 15).
func TestReleaseByTheModulesTimer(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  DoorConfig
		line bus.Config
	}{
		{"RTU", DoorConfig{Flash: true}, bus.Config{}},
		{"RTU with echo", DoorConfig{Flash: true}, bus.Config{Echo: true}},
		{"RTU over TCP", DoorConfig{Flash: true}, converter},
		{"Modbus TCP", DoorConfig{Flash: true, Protocol: TCP}, direct},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newDoorRig(t, c.cfg, c.line)
				ctx, cancel := context.WithCancel(t.Context())
				got, err := r.Release(ctx, 2950*time.Millisecond, time.Now().Add(time.Second))
				cancel()
				if err != nil || !got.Known || got.Took < 0 || len(got.Frames) != 2 || !r.unlocked() {
					t.Fatalf("Release() = %+v, %v, on %v; want known, two frames, on", got, err, r.unlocked())
				}
				time.Sleep(2500 * time.Millisecond)
				if !r.unlocked() {
					t.Error("off before its time")
				}
				time.Sleep(600 * time.Millisecond)
				if r.unlocked() || r.peer.count(0x0201, 30) != 1 || r.peer.allWrites() != 2 {
					t.Errorf("on %v, writes %v; want off, Secure's off and one frame for 30 x 100ms", r.unlocked(), r.peer.writes)
				}
			})
		})
	}
}

// invariant 15: without a timer the output goes off after hold, whatever becomes of the caller.
func TestReleaseEndsWithoutItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newDoorRig(t, DoorConfig{}, bus.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		got, err := r.Release(ctx, 5*time.Second, time.Time{})
		cancel()
		if err != nil || !got.Known || !r.unlocked() || r.peer.count(1, coilOn) != 1 {
			t.Fatalf("Release() = %+v, %v, on %v", got, err, r.unlocked())
		}
		time.Sleep(4900 * time.Millisecond)
		if !r.unlocked() {
			t.Error("off before its time")
		}
		time.Sleep(200 * time.Millisecond)
		if r.unlocked() || r.peer.count(1, coilOn) != 1 || r.peer.count(1, coilOff) != 2 {
			t.Errorf("on %v, writes %v; want off, one on, and Secure's off and ours", r.unlocked(), r.peer.writes)
		}
	})
}

func TestReleaseIsExtendedByTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newDoorRig(t, DoorConfig{}, bus.Config{})
		for range 2 {
			if _, err := r.Release(t.Context(), 5*time.Second, time.Time{}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * time.Second)
		}
		if !r.unlocked() {
			t.Error("off at the first one's end; want the second one's")
		}
		if _, err := r.Release(t.Context(), time.Second, time.Time{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1500 * time.Millisecond)
		if !r.unlocked() {
			t.Error("a shorter one cuts the longer one short")
		}
		time.Sleep(time.Second)
		if r.unlocked() || r.peer.count(1, coilOn) != 3 || r.peer.count(1, coilOff) != 2 {
			t.Errorf("on %v, writes %v; want off after three and one off", r.unlocked(), r.peer.writes)
		}
	})
}

// invariant 15: an off that is lost is sent again until it is confirmed.
func TestOffIsTriedUntilConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newDoorRig(t, DoorConfig{}, bus.Config{})
		if _, err := r.Release(t.Context(), time.Second, time.Time{}); err != nil {
			t.Fatal(err)
		}
		r.lose(5, coilOff, true)
		time.Sleep(15 * time.Second)
		if r.unlocked() || r.peer.count(1, coilOff) != 1+5+1 || r.log.String() != "" {
			t.Errorf("on %v, %d offs, log %q; want off after five lost ones, nothing said", r.unlocked(), r.peer.count(1, coilOff), r.log)
		}
	})
}

// invariant 15: an output that cannot be turned off is said so, once, and the next poll that can does it.
func TestOffIsGivenUpLoudlyAndMendedByStatus(t *testing.T) {
	for _, flash := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newDoorRig(t, DoorConfig{Flash: flash}, bus.Config{})
			if _, err := r.Release(t.Context(), time.Second, time.Time{}); err != nil {
				t.Fatal(err)
			}
			r.peer.locked(func() { r.coils[1] = true }) // in flash: its timer fails, or somebody else holds the coil
			r.lose(1000, coilOff, true)
			time.Sleep(time.Minute)
			for range 3 {
				if st, err := r.Status(t.Context()); err != nil || !st.Released {
					t.Errorf("Status() = %+v, %v; want released", st, err)
				}
			}
			if n := strings.Count(r.log.String(), "level=ERROR"); n != 1 || !strings.Contains(r.log.String(), "device=door/ktv") {
				t.Errorf("flash %v: log %q; want one error that names the door", flash, r.log)
			}
			r.lose(0, 0, false)
			_, _ = r.Status(t.Context())
			if st, err := r.Status(t.Context()); err != nil || st.Released || r.unlocked() {
				t.Errorf("flash %v: Status() = %+v, %v; want off", flash, st, err)
			}
		})
	}
}

// invariant 15: a line that is gone when a hold ends turns the output off when it is back: at once after a moment, else
// with the next poll.
func TestOffAfterTheLineWasGone(t *testing.T) {
	for _, gone := range []time.Duration{5 * time.Second, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			r := newDoorRig(t, DoorConfig{}, bus.Config{})
			if _, err := r.Release(t.Context(), time.Second, time.Time{}); err != nil {
				t.Fatal(err)
			}
			r.plug(false)
			time.Sleep(gone)
			said := strings.Contains(r.log.String(), "port is gone")
			if !r.unlocked() || said != (gone == time.Minute) {
				t.Errorf("gone %v: on %v, log %q", gone, r.unlocked(), r.log)
			}
			r.plug(true)
			time.Sleep(20 * time.Second)
			if said {
				_, _ = r.Status(t.Context())
			}
			if r.unlocked() {
				t.Errorf("on after %v without a line", gone)
			}
		})
	}
}

// invariant 15: Secure ends a release before its time; it is what a gateway calls before its bus ends.
func TestSecureEndsARelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newDoorRig(t, DoorConfig{}, bus.Config{})
		if _, err := r.Release(t.Context(), 30*time.Second, time.Time{}); err != nil {
			t.Fatal(err)
		}
		r.lose(1, coilOff, false) // done, and its answer lost
		if err := r.Secure(t.Context()); err != nil || r.unlocked() {
			t.Errorf("Secure() = %v, on %v; want off", err, r.unlocked())
		}
		n := r.peer.allWrites()
		time.Sleep(time.Minute)
		if r.peer.allWrites() != n {
			t.Error("the ended release wrote again")
		}
		r.lose(1000, coilOff, true)
		if err := r.Secure(t.Context()); !errors.Is(err, drivers.ErrSilent) || !strings.Contains(err.Error(), "A/B wires") {
			t.Errorf("Secure() of a silent module = %v; want ErrSilent with its remedy", err)
		}
	})
}

// invariant 2, 5: after a lost answer the frame is not sent again; the output is read back instead.
func TestLostAnswerIsReadBack(t *testing.T) {
	for _, flash := range []bool{true, false} {
		for _, deaf := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				r := newDoorRig(t, DoorConfig{Flash: flash}, bus.Config{})
				address, value := uint16(1), uint16(coilOn)
				if flash {
					address, value = 0x0201, 50
				}
				r.lose(1, value, deaf)
				got, err := r.Release(t.Context(), 5*time.Second, time.Time{})
				if err != nil || got.Known == deaf || r.peer.count(address, value) != 1 || len(got.Frames) != 3 {
					t.Errorf("flash %v, deaf %v: Release() = %+v, %v, writes %v; want one frame, known %v",
						flash, deaf, got, err, r.peer.writes, !deaf)
				}
				time.Sleep(10 * time.Second)
				if r.unlocked() {
					t.Errorf("flash %v, deaf %v: on after its time", flash, deaf)
				}
			})
		}
	}
}

// An adapter's echo is no word of the module's.
func TestEchoIsNotTheModule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newDoorRig(t, DoorConfig{Flash: true}, bus.Config{Echo: true})
		r.peer.locked(func() { delete(r.peer.units, unitOf) })
		if got, err := r.Release(t.Context(), 5*time.Second, time.Time{}); err != nil || got.Known {
			t.Errorf("Release() of a silent module = %+v, %v; want unknown", got, err)
		}
	})
}

func TestReleaseRefused(t *testing.T) {
	for _, c := range []struct {
		name    string
		code    byte
		refused bool
		want    string
	}{
		{"no such coil", 2, true, "use timer: none"},
		{"no such value", 3, true, "use timer: none"},
		{"busy", 6, true, "busy: later"},
		{"its own fault", 4, false, ""}, // it may have happened
		{"working on it", 5, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newDoorRig(t, DoorConfig{Flash: true}, bus.Config{})
				r.peer.locked(func() {
					r.say = func(pdu, good []byte) []byte {
						if pdu[0] == 5 {
							return []byte{0x85, c.code}
						}
						return good
					}
				})
				got, err := r.Release(t.Context(), 5*time.Second, time.Time{})
				switch {
				case c.refused && (!errors.Is(err, drivers.ErrRefused) || !strings.Contains(err.Error(), c.want)):
					t.Errorf("Release() = %v; want ErrRefused with %q", err, c.want)
				case !c.refused && (err != nil || !got.Known): // the peer did it, and reading back shows it
					t.Errorf("Release() = %+v, %v; want known", got, err)
				}
			})
		})
	}
}

func TestReleaseThatIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newDoorRig(t, DoorConfig{}, bus.Config{})
		for _, hold := range []time.Duration{0, -1, time.Hour} {
			if _, err := r.Release(t.Context(), hold, time.Time{}); err == nil {
				t.Errorf("Release(%v) = nil; want an error", hold)
			}
		}
		if _, err := r.Release(t.Context(), time.Second, time.Now().Add(-time.Second)); !errors.Is(err, drivers.ErrLate) {
			t.Errorf("Release(too late) = %v; want ErrLate", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := r.Release(ctx, time.Second, time.Time{}); !errors.Is(err, context.Canceled) {
			t.Errorf("Release(ended) = %v; want Canceled", err)
		}
		r.plug(false)
		synctest.Wait()
		if got, err := r.Release(t.Context(), time.Second, time.Time{}); !errors.Is(err, drivers.ErrGone) || got.Known {
			t.Errorf("Release() unplugged = %+v, %v; want ErrGone", got, err)
		}
		time.Sleep(time.Minute)
		if n := r.peer.allWrites(); n != 1 {
			t.Errorf("%d coils written; want Secure's", n)
		}
	})
}

// invariant 8: a release goes ahead of polling and waits for one transaction at most.
func TestReleaseGoesAheadOfPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newDoorRig(t, DoorConfig{Flash: true}, bus.Config{})
		r.peer.deliver = func(b []byte, put func([]byte)) {
			time.Sleep(100 * time.Millisecond)
			put(b)
		}
		done := make(chan struct{})
		for range 20 {
			go func() {
				_, _ = r.Status(t.Context())
				done <- struct{}{}
			}()
		}
		synctest.Wait()
		time.Sleep(50 * time.Millisecond)
		got, err := r.Release(t.Context(), time.Second, time.Time{})
		if err != nil || got.Waited > 150*time.Millisecond {
			t.Errorf("Release() waited %v, %v; want one transaction at most", got.Waited, err)
		}
		for range 20 {
			<-done
		}
	})
}

// invariant 2, 5, 15: over a bad line every release is one frame, and the output is off in the end.
func TestReleasesOverABadLine(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  DoorConfig
		line bus.Config
	}{
		{"timer", DoorConfig{Flash: true}, bus.Config{}}, {"none", DoorConfig{}, bus.Config{}},
		{"converter", DoorConfig{}, converter}, {"TCP", DoorConfig{Protocol: TCP}, direct},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newDoorRig(t, c.cfg, c.line)
				chance := rand.New(rand.NewPCG(1, 2))
				r.peer.locked(func() {
					r.obey = func([]byte) bool { return chance.IntN(10) > 0 }
					r.say = func(pdu, good []byte) []byte {
						switch chance.IntN(10) {
						case 0:
							return nil
						case 1:
							return []byte{pdu[0] | 0x80, []byte{2, 4, 6}[chance.IntN(3)]}
						}
						return good
					}
				})
				sent, unproven := 0, 0
				for range 200 {
					got, err := r.Release(t.Context(), time.Second, time.Time{})
					for _, f := range got.Frames {
						if b := f.Bytes; f.Sent && b[map[bool]int{true: headerLen, false: 1}[len(b) == readTCP]] == modbus.FuncCodeWriteSingleCoil {
							sent++
						}
					}
					if errors.Is(err, drivers.ErrUnproven) { // an answer that was lost costs the connection, and the next one its proof
						unproven++
					}
					if err == nil && got.Known && got.Took < time.Second && !r.unlocked() {
						t.Error("known to be on, and off")
					}
					time.Sleep(3 * time.Second)
					_, _ = r.Status(t.Context())
				}
				on := r.peer.count(0x0201, 10) + r.peer.count(1, coilOn)
				if on != sent || on+unproven != 200 || unproven > 20 || len(c.line.Ports) == 0 && unproven > 0 || r.peer.others != 0 {
					t.Errorf("%d frames for 200 releases, %d of them with evidence; %d were to nobody who had answered", on, sent, unproven)
				}
				for range 10 {
					time.Sleep(time.Second)
					_, _ = r.Status(t.Context())
				}
				if r.unlocked() {
					t.Error("on after all")
				}
				for w := range r.peer.writes {
					if a := w >> 16; a != 1 && a != 0x0201 {
						t.Errorf("coil %#x was written; want the door's own only", a)
					}
				}
			})
		})
	}
}

func TestNewDoorRefusesBadConfig(t *testing.T) {
	in := func(n int) *int { return &n }
	for _, c := range []struct {
		want string
		edit func(*DoorConfig)
	}{
		{"device: empty", func(c *DoorConfig) { c.Device = "" }},
		{"address: 0", func(c *DoorConfig) { c.Address = 0 }},
		{"output: 255", func(c *DoorConfig) { c.Output = 255 }},
		{"output: -1", func(c *DoorConfig) { c.Output = -1 }},
		{"open_is: 2", func(c *DoorConfig) { c.OpenIs = 2 }},
		{"contact: inputs", func(c *DoorConfig) { c.Contact = in(-1) }},
		{"exit: inputs", func(c *DoorConfig) { c.Exit = in(65536) }},
		{"exit: the same input", func(c *DoorConfig) { c.Contact, c.Exit = in(4), in(4) }},
		{"inputs: 0 to 64", func(c *DoorConfig) { c.Contact, c.Exit = in(64), in(0) }},
	} {
		cfg := DoorConfig{Device: "door/ktv", Address: 1}
		c.edit(&cfg)
		if _, err := NewDoor(nil, cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("NewDoor(%+v) = %v; want %q", cfg, err, c.want)
		}
	}
}

// counter is a line that carries nothing and counts what it is asked to.
type counter struct{ asked int }

func (c *counter) Do(context.Context, bus.Request) (bus.Answer, error) {
	c.asked++
	return bus.Answer{}, drivers.ErrSilent
}

// invariant 5: who was cut off while he waited for the turn lets nobody in after the off that cut him off.
func TestReleaseOfAnEndedCallerSendsNothing(t *testing.T) {
	line := &counter{}
	d, err := NewDoor(line, DoorConfig{Device: "door/ktv", Address: unitOf})
	if err != nil {
		t.Fatal(err)
	}
	why := errors.New("closed down")
	ctx, cut := context.WithCancelCause(t.Context())
	cut(why)
	for range 100 { // a select takes either of two that are ready
		if _, err := d.Release(ctx, time.Second, time.Time{}); !errors.Is(err, why) {
			t.Fatalf("Release() = %v; want %v", err, why)
		}
	}
	if line.asked > 0 {
		t.Errorf("%d of 100 frames were handed to the line; want none", line.asked)
	}
}

// invariant 15: a door that is exchanged lets nobody in any more, not even who waited for its turn before that.
func TestRetiredDoorReleasesNothing(t *testing.T) {
	for _, flash := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			r := newDoorRig(t, DoorConfig{Flash: flash}, bus.Config{})
			if _, err := r.Release(t.Context(), 5*time.Second, time.Time{}); err != nil || !r.unlocked() {
				t.Fatalf("Release() = %v, on %v", err, r.unlocked())
			}
			r.turn <- struct{}{} // somebody writes the output
			waits := make(chan error)
			go func() {
				_, err := r.Release(t.Context(), 5*time.Second, time.Now().Add(4*time.Second))
				waits <- err
			}()
			synctest.Wait()
			retired := make(chan error)
			go func() { retired <- r.Retire(t.Context()) }()
			synctest.Wait()
			r.leaveTurn()
			go func() { waits <- <-retired }()
			for range 2 {
				if err := <-waits; err != nil && !errors.Is(err, drivers.ErrGone) {
					t.Error(err)
				}
			}
			if got := r.peer.count(1, coilOn) + r.peer.count(0x0201, 50); got != 1 {
				t.Errorf("flash %v: released %d times; want once, before the door was retired", flash, got)
			}
			if r.unlocked() != flash {
				t.Errorf("flash %v: on %v; want the module's timer to end it, or nobody to", flash, r.unlocked())
			}
			if err := r.Retire(t.Context()); err != nil {
				t.Errorf("retired again: %v", err)
			}
			time.Sleep(6 * time.Second)
			if r.unlocked() {
				t.Error("the output is left on")
			}
		})
	}
}
