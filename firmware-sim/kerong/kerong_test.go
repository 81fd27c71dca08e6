package kerong

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bank is a chain of 24 locks on boards 0 and 1.
func bank(change func(*Config)) *Chain {
	cfg := Config{Boards: []Board{{Address: 0, Locks: 16}, {Address: 1, Locks: 8}}, ClosedBit: 1, ItemSensors: true}
	if change != nil {
		change(&cfg)
	}
	return New(cfg)
}

// say sends hex bytes and returns the answers as hex, one after the other.
func say(t *testing.T, c *Chain, request string) string {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(request, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, h := range c.Hear(b, time.Now()) {
		for _, a := range h.Answers {
			out = append(out, strings.ToUpper(hex.EncodeToString(a.Bytes)))
		}
	}
	return strings.Join(out, " ")
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The frames printed in docs/kerong.md.
func TestWorkedFrames(t *testing.T) {
	t.Run("closed, item in lock 1, lock 3 open", func(t *testing.T) {
		c := bank(nil)
		must(t, c.OpenByKey(1))
		must(t, c.Put(1))
		must(t, c.CloseDoor(1))
		must(t, c.OpenByKey(3))
		if got, want := say(t, c, "02 00 30 03 35"), "020035FBFF01000335"; got != want {
			t.Errorf("status of board 0 = %s; want %s", got, want)
		}
		if got, want := say(t, c, "02 10 30 03 45"), "021035FFFF00000348"; got != want {
			t.Errorf("status of board 1 = %s; want %s", got, want)
		}
	})
	t.Run("all boards, closed reads 0", func(t *testing.T) {
		c := New(Config{Boards: []Board{{0, 16}, {1, 16}}, ClosedBit: 0})
		if got, want := say(t, c, "02 F0 32 03 27"), "02003600000000033B 02103600000000034B"; got != want {
			t.Errorf("status of all = %s; want %s", got, want)
		}
	})
	t.Run("pulse", func(t *testing.T) {
		c := bank(nil)
		if got, want := say(t, c, "02 00 37 00 32 03 6E"), "0200380032036F"; got != want {
			t.Errorf("pulse set = %s; want %s", got, want)
		}
		if got, want := say(t, c, "02 00 37 03 3C"), "0200380032036F"; got != want {
			t.Errorf("pulse asked = %s; want %s", got, want)
		}
	})
	t.Run("wrong sums as published", func(t *testing.T) {
		c := bank(nil)
		if got := say(t, c, "02 10 30 03 3E"); got != "" {
			t.Errorf("answer to a wrong sum = %s; want none", got)
		}
		if say(t, c, "02 0F 31 03 49"); c.Counts().Pulses != 0 {
			t.Error("an unlock with a wrong sum was obeyed")
		}
	})
}

// invariant 5: what is counted here is what every other test of it compares with.
func TestUnlock(t *testing.T) {
	tests := []struct {
		name    string
		change  func(*Config)
		prepare func(*testing.T, *Chain)
		request string
		lock    int
		answer  bool
		open    bool
		counts  Counts
	}{
		{"lock 1", nil, nil, "02 00 31 03 36", 1, false, true, Counts{1, 1, 0, 0}},
		{"lock 16", nil, nil, "02 0F 31 03 45", 16, false, true, Counts{1, 1, 0, 0}},
		{"lock 3 of board 1 is door 19", nil, nil, "02 12 31 03 48", 19, false, true, Counts{1, 1, 0, 0}},
		{"a lock that is not wired", nil, nil, "02 1F 31 03 55", 24, false, false, Counts{}},
		{"a board that is not there", nil, nil, "02 20 31 03 56", 1, false, false, Counts{}},
		{"with the optional answer", func(c *Config) { c.AnswersUnlock = true }, nil, "02 00 31 03 36", 1, true, true, Counts{1, 1, 0, 0}},
		{"stuck", nil, func(t *testing.T, c *Chain) { must(t, c.Stick(1, true)) }, "02 00 31 03 36", 1, false, false, Counts{1, 0, 0, 0}},
		{"mute board acts", nil, func(t *testing.T, c *Chain) { must(t, c.SetBoardFault(0, BoardMute)) }, "02 00 31 03 36", 1, false, true, Counts{1, 1, 0, 0}},
		{"dead board does nothing", nil, func(t *testing.T, c *Chain) { must(t, c.SetBoardFault(0, BoardDead)) }, "02 00 31 03 36", 1, false, false, Counts{}},
		{"open already", nil, func(t *testing.T, c *Chain) { must(t, c.OpenByKey(1)) }, "02 00 31 03 36", 1, false, true, Counts{1, 0, 1, 0}},
		{"wrong sum, obeyed", func(c *Config) { c.IgnoresSum = true }, nil, "02 00 31 03 00", 1, false, true, Counts{1, 1, 0, 0}},
		{"rubbish before it", nil, nil, "02 FF 03 00 31 02 00 31 03 36", 1, false, true, Counts{1, 1, 0, 0}},
		{"every lock", nil, nil, "02 10 33 03 48", 17, false, true, Counts{8, 1, 0, 0}},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			c := bank(tt.change)
			if tt.prepare != nil {
				tt.prepare(t, c)
			}
			if got := say(t, c, tt.request) != ""; got != tt.answer {
				t.Errorf("%s: answered %v; want %v", tt.name, got, tt.answer)
			}
			time.Sleep(travel)
			if l := c.Locks()[tt.lock-1]; l.LatchOpen != tt.open || l.DoorOpen != tt.open {
				t.Errorf("%s: lock %+v; want open %v", tt.name, l, tt.open)
			}
			if got := c.Counts(); got != tt.counts {
				t.Errorf("%s: counts %+v; want %+v", tt.name, got, tt.counts)
			}
		})
	}
}

func TestRequestInPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := bank(nil)
		if got := say(t, c, "02 00") + say(t, c, "30 03 35"); got != "020035FFFF00000338" {
			t.Errorf("answer to two pieces = %s; want the status", got)
		}
		say(t, c, "02 00 31")
		time.Sleep(partialLife + time.Millisecond)
		if got := say(t, c, "02 00 30 03 35"); got != "020035FFFF00000338" || c.Counts().Pulses != 0 {
			t.Errorf("after half a request = %s, %+v; want the half forgotten", got, c.Counts())
		}
	})
}

func TestPulseAndDoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := bank(func(c *Config) { c.BusySilent = true })
		say(t, c, "02 00 31 03 36")
		if l := c.Locks()[0]; l.LatchOpen {
			t.Error("the latch was open at once")
		}
		time.Sleep(100 * time.Millisecond)
		must(t, c.CloseDoor(1))
		if l := c.Locks()[0]; l.DoorOpen || !l.LatchOpen {
			t.Errorf("pushed shut during the pulse: %+v; want the latch still open", l)
		}
		if got := say(t, c, "02 00 30 03 35"); got != "" {
			t.Errorf("a busy board answered %s", got)
		}
		time.Sleep(400 * time.Millisecond)
		if l := c.Locks()[0]; l.LatchOpen {
			t.Error("the door did not latch when the pulse ended")
		}
		if got := say(t, c, "02 00 30 03 35"); got == "" {
			t.Error("the board is silent after the pulse")
		}
		must(t, c.Slow(1, time.Second))
		say(t, c, "02 00 31 03 36")
		time.Sleep(time.Second)
		if c.Locks()[0].LatchOpen {
			t.Error("a slow latch was quick")
		}
		time.Sleep(travel)
		if !c.Locks()[0].LatchOpen || c.Counts().Openings != 2 {
			t.Errorf("a slow latch did not open: %+v", c.Counts())
		}
	})
}

func TestOverlapsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := bank(nil)
		say(t, c, "02 00 31 03 36")
		time.Sleep(600 * time.Millisecond)
		if say(t, c, "02 01 31 03 37"); c.Overlaps() != 0 {
			t.Errorf("overlaps = %d; want 0", c.Overlaps())
		}
		time.Sleep(499 * time.Millisecond)
		if say(t, c, "02 02 31 03 38"); c.Overlaps() != 1 {
			t.Errorf("overlaps = %d; want 1", c.Overlaps())
		}
	})
}

func TestPerson(t *testing.T) {
	c := bank(func(c *Config) { c.ItemSensors = false })
	steps := []struct {
		name string
		do   func(int) error
		want error
	}{
		{"put into a closed one", c.Put, ErrDoorClosed},
		{"take from a closed one", c.Take, ErrDoorClosed},
		{"close a closed one", c.CloseDoor, ErrDoorClosed},
		{"open by key", c.OpenByKey, nil},
		{"open by key again", c.OpenByKey, ErrDoorOpen},
		{"take nothing", c.Take, ErrEmpty},
		{"put", c.Put, nil},
		{"put again", c.Put, ErrOccupied},
		{"close", c.CloseDoor, nil},
	}
	for _, s := range steps {
		if err := s.do(5); !errors.Is(err, s.want) {
			t.Errorf("%s = %v; want %v", s.name, err, s.want)
		}
	}
	for _, n := range []int{0, 25} {
		if err := c.Put(n); !errors.Is(err, ErrNoLock) {
			t.Errorf("Put(%d) = %v; want ErrNoLock", n, err)
		}
	}
	if err := c.SetBoardFault(2, BoardMute); !errors.Is(err, ErrNoBoard) {
		t.Errorf("SetBoardFault(2) = %v; want ErrNoBoard", err)
	}
	if got := say(t, c, "02 00 30 03 35"); got != "020035FFFF00000338" {
		t.Errorf("status without sensors = %s; want no item bit", got)
	}
	if l := c.Locks()[4]; !l.Item || l.Counts != (Counts{0, 0, 1, 0}) {
		t.Errorf("lock 5 = %+v; want something inside and one opening by key", l)
	}
}

func TestExplain(t *testing.T) {
	c := bank(nil)
	tests := []struct{ name, frame, zh, en string }{
		{"status", "021035FDFF2A000370", "1 號板：18 號打開，其餘鎖上；有物品 18、20、22", "board 1: 18 open, the others latched; something in 18, 20, 22"},
		{"damaged", "021035FDF72A000370", "總和不符：收到 70，應為 68；整格丟棄", "wrong sum: got 70, want 68; dropped"},
		{"no such board", "02503500000000038A", "沒有 5 號板", "there is no board 5"},
		{"pulse", "0200380032036F", "0 號板通電 500ms", "board 0: pulse 500ms"},
		{"one byte", "02", "不成一格", "no frame"},
	}
	for _, tt := range tests {
		b, _ := hex.DecodeString(tt.frame)
		if got := c.Explain(b); got.ZH != tt.zh || got.EN != tt.en {
			t.Errorf("%s: Explain = %q, %q; want %q, %q", tt.name, got.ZH, got.EN, tt.zh, tt.en)
		}
	}
	h := c.Hear([]byte{0x02, 0x11, 0x31, 0x03, 0x47}, time.Now())[0].Meaning
	if h.ZH != "開 18 號（1 號板第 2 鎖）" || !h.Marked || h.Bad {
		t.Errorf("unlock means %+v", h)
	}
}

// What is cut out encodes back to the same bytes, nothing is lost or invented, and rubbish never becomes a pulse
// unless a whole unlock request with its right sum stands in it.
func FuzzHear(f *testing.F) {
	for _, s := range []string{"0200300335", "0210300335", "020F310345", "0200370032036E", "020037033C", "02F0320327", "02000231033602003103", "0281"} {
		b, _ := hex.DecodeString(s)
		f.Add(b, 3)
	}
	f.Fuzz(func(t *testing.T, in []byte, at int) {
		c, now := bank(nil), time.Now()
		at = min(max(at, 0), len(in))
		heard := c.Hear(in[:at], now)
		heard = append(heard, c.Hear(in[at:], now)...)
		var all []byte
		unlocks := 0
		for _, h := range heard {
			all = append(all, h.Bytes...)
			if h.Meaning.Bad {
				if len(h.Answers) > 0 {
					t.Errorf("% x is damaged and was answered", h.Bytes)
				}
				continue
			}
			r := parseRequest(h.Bytes)
			if got := appendFrame(nil, r.board, r.lock, r.cmd, r.data...); !bytes.Equal(got, h.Bytes) {
				t.Errorf("% x = %+v, which encodes to % x", h.Bytes, r, got)
			}
			switch r.cmd {
			case cmdUnlock:
				unlocks++
				if r.all {
					unlocks++
				}
			case cmdUnlockAll:
				unlocks += 24
			}
		}
		if all = append(all, c.partial...); !bytes.Equal(all, in) {
			t.Errorf("heard % x of % x", all, in)
		}
		if got := c.Counts().Pulses; got > uint64(unlocks) {
			t.Errorf("% x gave %d pulses for %d requests", in, got, unlocks)
		}
		if c.Explain(in); len(c.partial) > 9 {
			t.Errorf("% x leaves %d bytes waiting", in, len(c.partial))
		}
	})
}
