package commission

import (
	"context"
	"errors"
	"maps"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// once answers one question otherwise, the first time it is asked; and what comes after as it says.
func once(m text, answers ...string) func(string) (string, bool) {
	return func(asked string) (string, bool) {
		if len(answers) == 0 || !is(asked, m) {
			return "", false
		}
		answer := answers[0]
		answers = answers[1:]
		return answer, true
	}
}

func TestWalkLearnsPolarityAndNumbering(t *testing.T) {
	for _, c := range []struct {
		name    string
		cabinet *cabinet
		closed  int
		locks   map[int]int
	}{
		{"in order, closed is 1", newCabinet(true, 101, 3, 12), 1, map[int]int{101: 1, 3: 2, 12: 3}},
		{"another order, closed is 0", newCabinet(false, 12, 101, 3), 0, map[int]int{12: 1, 101: 2, 3: 3}},
		{"places without a lock", newCabinet(true, 0, 3, 0, 101, 0, 12), 1, map[int]int{3: 2, 101: 4, 12: 6}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, p := newBench(t, plain), &person{cabinet: c.cabinet}
				p.mind = func(asked string) (string, bool) { // nothing is wired to the first: nothing moves
					return "s", is(asked, nextLock) && strings.Contains(asked, "nothing is wired here")
				}
				if err := b.walk(t, t.Context(), p, nil, Options{}); err != nil {
					t.Fatalf("Run() = %v\n%s", err, p.all.String())
				}
				closed, locks, proven := b.configured(t)
				if closed != c.closed || !maps.Equal(locks, c.locks) || !proven {
					t.Errorf("configured closed_bit %d, locks %v, proven %v; want %d, %v", closed, locks, proven, c.closed, c.locks)
				}
				if c.cabinet.total() != p.enters {
					t.Errorf("%d pulses for %d Enters; want one each", c.cabinet.total(), p.enters)
				}
				b.checkIntents(t, c.cabinet.total())
				last := b.events(t)[len(b.events(t))-1]
				if last.Type != wire.BankCommissioned || last.Subject != "bank/A" {
					t.Errorf("last event %s of %s; want that the bank is commissioned", last.Type, last.Subject)
				}
				old, err := os.ReadFile(b.file + Old)
				if err != nil || string(old) != plain {
					t.Errorf("old configuration = %q, %v; want it as it was", old, err)
				}
				if info, _ := os.Stat(b.file); info.Mode().Perm() != 0o640 {
					t.Errorf("mode of the configuration = %v; want it as it was", info.Mode())
				}
				// another walk finds nothing to change, and nothing left of the first
				again := &person{cabinet: c.cabinet, mind: p.mind}
				if err := b.walk(t, t.Context(), again, nil, Options{}); err != nil || !strings.Contains(again.all.String(), "nothing to change") {
					t.Errorf("second Run() = %v\n%s", err, again.all.String())
				}
			})
		})
	}
}

// Whatever is wrong is said at once, with what to do, and asked again; what is right then is learnt. Never a pulse that was not
// asked for. invariant 5
func TestWalkSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(c *cabinet)
		mend  func(c *cabinet) // when it was said
		mind  func(asked string) (string, bool)
		says  []string
	}{
		{"stuck latch", func(c *cabinet) { c.locks[1].stuck = true }, func(c *cabinet) { c.locks[1].stuck = false }, nil,
			[]string{"The bit of lock 2 has not changed"}},
		{"feedback unplugged", func(c *cabinet) { c.locks[1].deaf = true }, func(c *cabinet) { c.locks[1].deaf = false }, nil,
			[]string{"its feedback wire is off"}},
		{"two bits at once", func(c *cabinet) { c.locks[1].drags = 3 }, func(c *cabinet) { c.locks[1].drags = 0 }, nil,
			[]string{"More than one bit changed with lock 2 (locks 2, 3)"}},
		{"wires crossed", func(c *cabinet) { c.locks[1].shows = 3 }, func(c *cabinet) { c.locks[1].shows = 0 }, nil,
			[]string{"Lock 2 was energised, and the bit of lock 3 changed"}},
		{"a switch that works the other way", func(c *cabinet) { c.locks[1].closed = false }, func(c *cabinet) { c.locks[1].closed = true },
			once(enterOrSkip, ""), []string{"Lock 2 reads open (the locks known so far read 1 when closed, this one reads 0)"}},
		{"board silent", func(c *cabinet) { c.silent = true }, func(c *cabinet) { c.silent = false },
			once(askAgain, ""), []string{"The boards do not all answer", "no answer"}},
		{"not sent", func(c *cabinet) { c.gone = drivers.ErrUnproven }, func(c *cabinet) { c.gone = nil }, nil,
			[]string{"Nothing was energised", "device has not answered on this port yet"}},
		{"no door moved", nil, nil, once(whichDoor, "n"), []string{"Pull at the doors"}},
		{"no such door", nil, nil, once(whichDoor, "7"), []string{`The configuration has no door "7". It has 101, 3, 12`}},
		{"no number", nil, nil, once(whichDoor, "three"), []string{`no door "three"`}},
		{"nothing typed", nil, nil, once(whichDoor, "", ""), nil},
		{"door still open", nil, nil, once(closeDoor, "", ""), []string{"still reads open: push until it clicks"}},
		{"skipped at first", nil, nil, once(nextLock, "s"), []string{"these doors were not found: 101"}},
		{"something else typed", nil, nil, once(nextLock, "what?"), nil},
		{"skipped at the door", nil, nil, once(whichDoor, "s"), []string{"these doors were not found: 101"}},
		{"skipped while open", nil, nil, once(closeDoor, "s"), []string{"these doors were not found: 101"}},
		{"the wrong number first", nil, nil, once(whichDoor, "3", "3", "3!"), []string{"Door 3 is lock 1 already", "type 3! and lock 1 is walked again"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cab := newCabinet(true, 101, 3, 12)
				if c.spoil != nil {
					c.spoil(cab)
				}
				b, p := newBench(t, plain), &person{cabinet: cab}
				p.mind = func(asked string) (string, bool) {
					for _, said := range c.says {
						if c.mend != nil && strings.Contains(p.all.String(), said) {
							c.mend(cab)
						}
					}
					if c.mind != nil {
						if answer, own := c.mind(asked); own {
							return answer, true
						}
					}
					return "", is(asked, missing) // walks what was skipped
				}
				if err := b.walk(t, t.Context(), p, nil, Options{}); err != nil {
					t.Fatalf("Run() = %v\n%s", err, p.all.String())
				}
				for _, said := range c.says {
					if !strings.Contains(p.all.String(), said) {
						t.Errorf("%q was never said:\n%s", said, p.all.String())
					}
				}
				closed, locks, proven := b.configured(t)
				if want := map[int]int{101: 1, 3: 2, 12: 3}; closed != 1 || !maps.Equal(locks, want) || !proven {
					t.Errorf("configured closed_bit %d, locks %v; want 1, %v\n%s", closed, locks, want, p.all.String())
				}
				if cab.total() > p.enters {
					t.Errorf("%d pulses for %d Enters", cab.total(), p.enters)
				}
				b.checkIntents(t, cab.total())
			})
		})
	}
}

// A walk that is broken off at any moment, by the power or by hand, goes on where it was: nothing learnt is lost, no pulse is
// given that was not asked for again, and every intent has an outcome. invariants 1, 2, 5
func TestWalkResumesFromEveryMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type moment struct {
			point   string
			bench   bench
			cabinet *cabinet
			known   int // doors that were said to be kept
		}
		var moments []moment
		b, cab := newBench(t, plain), newCabinet(false, 12, 101, 3)
		p := &person{cabinet: cab}
		take := func(point string) {
			c := cab.clone()
			moments = append(moments, moment{point, b.copied(t), c, strings.Count(p.all.String(), "when closed. Kept.")})
		}
		cab.point, p.point = take, take
		if err := b.walk(t, t.Context(), p, nil, Options{}); err != nil {
			t.Fatal(err)
		}
		if len(moments) < 20 {
			t.Fatalf("only %d moments", len(moments))
		}
		for i, m := range moments {
			before := m.cabinet.total()
			p := &person{cabinet: m.cabinet}
			if err := m.bench.walk(t, t.Context(), p, nil, Options{}); err != nil {
				t.Fatalf("from moment %d (%s): Run() = %v\n%s", i, m.point, err, p.all.String())
			}
			closed, locks, proven := m.bench.configured(t)
			if want := map[int]int{12: 1, 101: 2, 3: 3}; closed != 0 || !maps.Equal(locks, want) || !proven {
				t.Errorf("from moment %d (%s): closed_bit %d, locks %v; want 0, %v", i, m.point, closed, locks, want)
			}
			if given := m.cabinet.total() - before; given != p.enters || given > 3-m.known {
				t.Errorf("from moment %d (%s): %d pulses for %d Enters with %d doors known", i, m.point, given, p.enters, m.known)
			}
			m.bench.checkIntents(t, m.cabinet.total())
		}
	})
}

func TestWalkStopsByHand(t *testing.T) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range []struct {
		name string
		ctx  context.Context
		mind func(string) (string, bool)
	}{
		{"q at a lock", context.Background(), once(nextLock, "", "q")},
		{"q at the door", context.Background(), once(whichDoor, "q")},
		{"no more input", context.Background(), once(whichDoor, "EOF")},
		{"not written", context.Background(), once(mayWrite, "maybe", "n")},
		{"interrupted", ended, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, p := newBench(t, plain), &person{cabinet: newCabinet(true, 101, 3, 12), mind: c.mind}
				if err := b.walk(t, c.ctx, p, nil, Options{}); !errors.Is(err, ErrLeft) || !strings.Contains(p.all.String(), "Stopped:") {
					t.Errorf("Run() = %v; want ErrLeft\n%s", err, p.all.String())
				}
				if text, _ := os.ReadFile(b.file); string(text) != plain {
					t.Errorf("the configuration has changed:\n%s", text)
				}
			})
		})
	}
}

func TestWalkWithParcelsInside(t *testing.T) {
	proven := strings.NewReplacer("    columns: # left", "    closed_bit: 1\n    columns: # left",
		"lock: 1}", "lock: 3}", "number: 3,", "number: 3, lock: 2,", "number: 12\n", "number: 12\n            lock: 1\n").Replace(plain)
	held := map[int]string{3: "occupied"}
	for _, c := range []struct {
		name, text string
		mind       func(string) (string, bool)
		pulses     int // of door 3's lock
		left       bool
		says       string
	}{
		{"told by its number", plain, once(mayOpen, "yes", "", "3"), 1, false, "There may be parcels behind these doors: 3"},
		{"told by anything else", plain, once(mayOpen, "yes", "y", "", "12", "q"), 0, true, ""},
		{"left shut", proven, once(mayOpen, "s"), 0, false, "Door 3 stays shut and keeps lock 2"},
		{"left shut where nothing is proven", plain, once(mayOpen, "s", "q"), 0, true, "Nothing proves yet"},
		{"stopped", plain, once(mayOpen, "q"), 0, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cab := newCabinet(true, 12, 3, 101)
				b, p := newBench(t, c.text), &person{cabinet: cab, mind: c.mind}
				err := b.walk(t, t.Context(), p, held, Options{})
				if errors.Is(err, ErrLeft) != c.left || err != nil && !c.left || !strings.Contains(p.all.String(), c.says) {
					t.Errorf("Run() = %v\n%s", err, p.all.String())
				}
				if cab.pulses[1] != c.pulses || c.left && cab.total() > 0 {
					t.Errorf("pulses %v; want %d of the lock of door 3", cab.pulses[:3], c.pulses)
				}
				if _, locks, _ := b.configured(t); !c.left && !maps.Equal(locks, map[int]int{12: 1, 3: 2, 101: 3}) {
					t.Errorf("configured locks %v", locks)
				}
			})
		})
	}
}

// A door that was to stay shut and opened all the same is named to the installer, and its lock is learnt.
func TestWalkOpensADoorThatShouldStayShut(t *testing.T) {
	proven := strings.NewReplacer("    columns: # left", "    closed_bit: 1\n    columns: # left", "number: 3,", "number: 3, lock: 2,").Replace(plain)
	synctest.Test(t, func(t *testing.T) {
		cab := newCabinet(true, 3, 101, 12) // rewired since: lock 1 opens door 3
		b, p := newBench(t, proven), &person{cabinet: cab, mind: once(mayOpen, "s")}
		if err := b.walk(t, t.Context(), p, map[int]string{3: "occupied"}, Options{}); err != nil {
			t.Fatalf("Run() = %v\n%s", err, p.all.String())
		}
		if !strings.Contains(p.all.String(), "Take care: there is a parcel behind door 3") {
			t.Errorf("nothing was said of the parcel:\n%s", p.all.String())
		}
		if _, locks, _ := b.configured(t); !maps.Equal(locks, map[int]int{3: 1, 101: 2, 12: 3}) {
			t.Errorf("configured locks %v", locks)
		}
	})
}

// A lock is energised six times in a minute at most, whatever is typed. invariant 13
func TestWalkMindsTheCoil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cab := newCabinet(true, 101, 3, 12)
		cab.locks[0].stuck = true
		tries := 0
		b, p := newBench(t, plain), &person{cabinet: cab}
		p.mind = func(asked string) (string, bool) {
			if !is(asked, nextLock) {
				return "", false
			}
			if tries++; tries > 12 {
				return "q", true
			}
			return "", true
		}
		if err := b.walk(t, t.Context(), p, nil, Options{}); !errors.Is(err, ErrLeft) || cab.pulses[0] != maxPulses {
			t.Errorf("Run() = %v with %d pulses of twelve Enters; want %d", err, cab.pulses[0], maxPulses)
		}
		if !strings.Contains(p.all.String(), "or its coil overheats") {
			t.Errorf("nothing was said:\n%s", p.all.String())
		}
	})
}

func TestWalkLearnsSensors(t *testing.T) {
	for _, c := range []struct {
		name    string
		sensing []int // locks with one
		mind    func(string) (string, bool)
		want    string
	}{
		{"all have one", []int{1, 2, 3}, nil, "item_sensors: true"},
		{"one sees nothing", []int{1, 3}, nil, "item_sensors: false is written"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cab := newCabinet(true, 101, 3, 12)
				for _, lock := range c.sensing {
					cab.locks[lock-1].sensing = true
				}
				b, p := newBench(t, plain), &person{cabinet: cab}
				p.mind = func(asked string) (string, bool) {
					hand := is(asked, handInside)
					if hand && strings.Contains(asked, "saw no difference") {
						return "n", true
					}
					if hand || is(asked, handOutside) {
						for i := range cab.locks {
							cab.locks[i].item = hand && cab.locks[i].open
						}
						return "", true
					}
					return "", false
				}
				if err := b.walk(t, t.Context(), p, nil, Options{Sensors: true}); err != nil || !strings.Contains(p.all.String(), c.want) {
					t.Fatalf("Run() = %v; want %q\n%s", err, c.want, p.all.String())
				}
				text, err := os.ReadFile(b.file)
				if err != nil || strings.Contains(string(text), "item_sensors: true") != (len(c.sensing) == 3) {
					t.Errorf("configuration says (%v):\n%s", err, text)
				}
			})
		})
	}
}

// What was learnt counts for the wiring that it was learnt of, and not after --again.
func TestProgressIsBoundToItsWiring(t *testing.T) {
	for _, c := range []struct {
		name, old, new string
		again          bool
		says           string
		pulses         int // of lock 1 in both walks
	}{
		{"as it was", "", "", false, "Going on from before: 1 doors", 1},
		{"another board", "boards: [0, 1]", "boards: [1, 0]", false, "of another wiring", 2},
		{"told to begin anew", "", "", true, "", 2},
		{"a door was taken off the front", "{number: 101, size: S, lock: 1}", "{number: 102, size: S, lock: 1}", false, "", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cab := newCabinet(true, 101, 3, 12)
				b, p := newBench(t, plain), &person{cabinet: cab, mind: once(nextLock, "", "q")}
				if err := b.walk(t, t.Context(), p, nil, Options{}); !errors.Is(err, ErrLeft) {
					t.Fatal(err)
				}
				if err := os.WriteFile(b.file, []byte(strings.Replace(plain, c.old, c.new, 1)), 0o640); err != nil {
					t.Fatal(err)
				}
				if strings.Contains(c.new, "102") {
					cab.locks[0].door = 102
				}
				p = &person{cabinet: cab}
				if err := b.walk(t, t.Context(), p, nil, Options{Again: c.again}); err != nil || !strings.Contains(p.all.String(), c.says) {
					t.Errorf("Run() = %v; want %q said\n%s", err, c.says, p.all.String())
				}
				if cab.pulses[0] != c.pulses {
					t.Errorf("lock 1 had %d pulses; want %d", cab.pulses[0], c.pulses)
				}
			})
		})
	}
}

// A configuration that somebody else changed meanwhile is left alone.
func TestConfigurationChangedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, p := newBench(t, plain), &person{cabinet: newCabinet(true, 101, 3, 12)}
		other := plain + "# mine\n"
		p.mind = func(asked string) (string, bool) {
			if is(asked, mayWrite) {
				if err := os.WriteFile(b.file, []byte(other), 0o640); err != nil {
					t.Error(err)
				}
			}
			return "", false
		}
		if err := b.walk(t, t.Context(), p, nil, Options{}); !errors.Is(err, ErrLeft) {
			t.Errorf("Run() = %v; want ErrLeft", err)
		}
		if text, _ := os.ReadFile(b.file); string(text) != other {
			t.Errorf("the other's text is gone:\n%s", text)
		}
		p = &person{cabinet: p.cabinet}
		if err := b.walk(t, t.Context(), p, nil, Options{}); err != nil || p.enters != 0 {
			t.Errorf("second Run() = %v with %d locks opened; want none, all were known", err, p.enters)
		}
	})
}

// Every message takes the same arguments in both languages.
func TestLanguagesAgree(t *testing.T) {
	for _, m := range []text{
		greeting, wasKept, otherWiring, parcelsInside, mayOpen, cannotKeepShut, keptShut, closeAll, noAnswer, askAgain, leftPending, nextLock,
		readsOpen, enterOrSkip, tooOften, notSent, sawSilent, sawStill, sawSeveral, sawCrossed, whichDoor, noDoorMoved, noSuchDoor, doorTaken,
		openedKept, handInside, handOutside, handUnseen, closeDoor, notClosed, learntOne, missing, keptDisagrees, sensorsSeen, sensorsBlind,
		nothingToWrite, willWrite, mayWrite, changedMeanwhile, written, stopped,
	} {
		zh, en := verb.FindAllString(m[0], -1), verb.FindAllString(m[1], -1)
		if strings.Join(zh, " ") != strings.Join(en, " ") {
			t.Errorf("%q takes %v, %q takes %v", m[0], zh, m[1], en)
		}
	}
}
