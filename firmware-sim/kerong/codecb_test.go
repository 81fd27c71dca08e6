package kerong

import (
	"bytes"
	"encoding/hex"
	"testing"
	"testing/synctest"
	"time"
)

// bankB is a chain of 50 locks on boards 0 and 20 of dialect B.
func bankB(change func(*Config)) *Chain {
	return bank(func(c *Config) {
		c.Dialect, c.Codes = B, Codes{Status: 0x60, Open: 0x61, OK: 0x75}
		c.Boards = []Board{{0, 48}, {20, 2}}
		if change != nil {
			change(c)
		}
	})
}

// The frames printed in docs/kerong.md 7.
func TestWorkedFramesB(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := bankB(func(c *Config) { c.AnswersUnlock = true })
		tests := []struct{ name, request, want string }{
			{"status, all closed", "02 00 00 60 03 65", "0200007506FFFFFFFFFFFF77"},
			{"open lock 1", "02 00 00 61 03 66", "020000750077"},
			{"open the last lock", "02 00 2F 61 03 95", "02002F7500A6"},
			{"a board that is not there", "02 01 00 60 03 66", ""},
			{"another firmware's code", "02 00 00 50 03 55", ""},
			{"a wrong sum", "02 00 00 61 03 67", ""},
			{"board 20, and rubbish before it", "02 FF 02 14 00 60 03 79", "0214007506FFFFFFFFFFFF8B"},
			{"open lock 2 of board 20, door 50", "02 14 01 61 03 7B", "02140175008C"},
		}
		for _, tt := range tests {
			if got := say(t, c, tt.request); got != tt.want {
				t.Errorf("%s = %s; want %s", tt.name, got, tt.want)
			}
			time.Sleep(time.Second)
		}
		if got := say(t, c, "02 00 00 60 03 65"); got != "0200007506FEFFFFFFFF7FF6" {
			t.Errorf("status with locks 1 and 48 open = %s", got)
		}
		if got := c.Counts(); got != (Counts{3, 3, 0, 0}) || !c.Locks()[49].DoorOpen {
			t.Errorf("counts = %+v; want three pulses and openings", got)
		}
		other := bankB(func(c *Config) { c.Codes = Codes{Status: 0x50, Open: 0x51, OK: 0x76} })
		if got := say(t, other, "02 00 00 50 03 55"); got != "0200007606FFFFFFFFFFFF78" {
			t.Errorf("status with other codes = %s", got)
		}
	})
}

func TestExplainB(t *testing.T) {
	c := bankB(nil)
	tests := []struct{ name, frame, zh, en string }{
		{"status", "0200007506FEFFFFFFFF7FF6", "0 號板：01、48 號打開，其餘鎖上", "board 0: 01, 48 open, the others latched"},
		{"taken", "02140175008C", "20 號板收到開門指令", "board 20 has taken the unlock"},
		{"no such board", "0203007506FFFFFFFFFFFF7A", "沒有 3 號板", "there is no board 3"},
		{"another shape", "0200007502FFFF77", "不成一格", "no frame"},
		{"damaged", "0200007506FEFFFFFFFF7FF7", "總和不符：收到 F7，應為 F6；整格丟棄", "wrong sum: got F7, want F6; dropped"},
		{"nothing", "", "不成一格", "no frame"},
	}
	for _, tt := range tests {
		b, _ := hex.DecodeString(tt.frame)
		if got := c.Explain(b); got.ZH != tt.zh || got.EN != tt.en {
			t.Errorf("%s: Explain = %q, %q; want %q, %q", tt.name, got.ZH, got.EN, tt.zh, tt.en)
		}
	}
	h := c.Hear([]byte{0x02, 0x14, 0x01, 0x61, 0x03, 0x7b}, time.Now())[0].Meaning
	if h.EN != "open door 50 (board 20, lock 2)" || !h.Marked || h.Bad {
		t.Errorf("unlock means %+v", h)
	}
}

func TestForcedAndLying(t *testing.T) {
	c := bank(nil)
	must(t, c.Force(2))
	if err := c.Force(2); err == nil {
		t.Error("an open door was forced")
	}
	must(t, c.Lie(1, true))
	if got := say(t, c, "02 00 30 03 35"); got != "020035FDFF01000337" {
		t.Errorf("status = %s; want lock 2 open and something seen in lock 1", got)
	}
	if l := c.Locks()[1]; l.Counts != (Counts{Forced: 1}) || !l.DoorOpen || c.Locks()[0].Item {
		t.Errorf("lock 2 = %+v", l)
	}
}

// What is cut out encodes back to the same bytes, nothing is lost or invented, and a pulse needs a whole request.
func FuzzHearB(f *testing.F) {
	for _, s := range []string{"020000600365", "020000610366", "0202020060036102000061036602", "02FF0214006003790261"} {
		b, _ := hex.DecodeString(s)
		f.Add(b, 3)
	}
	f.Fuzz(func(t *testing.T, in []byte, at int) {
		c, now := bankB(nil), time.Now()
		at = min(max(at, 0), len(in))
		heard := append(c.Hear(in[:at], now), c.Hear(in[at:], now)...)
		var all []byte
		var unlocks uint64
		for _, h := range heard {
			if all = append(all, h.Bytes...); h.Meaning.Bad {
				if len(h.Answers) > 0 {
					t.Errorf("% x is damaged and was answered", h.Bytes)
				}
				continue
			}
			r := c.parse(h.Bytes)
			if got := c.cfg.Codes.appendRequest(nil, r); !bytes.Equal(got, h.Bytes) {
				t.Errorf("% x = %+v, which encodes to % x", h.Bytes, r, got)
			}
			if r.cmd == cmdUnlock {
				unlocks++
			}
			for _, a := range h.Answers {
				if _, _, _, ok := c.cfg.Codes.parseAnswer(a.Bytes); !ok || c.Explain(a.Bytes).Bad {
					t.Errorf("% x was answered with % x, which is no answer", h.Bytes, a.Bytes)
				}
			}
		}
		if all = append(all, c.partial...); !bytes.Equal(all, in) {
			t.Errorf("heard % x of % x", all, in)
		}
		if got := c.Counts().Pulses; got > unlocks {
			t.Errorf("% x gave %d pulses for %d requests", in, got, unlocks)
		}
		if c.Explain(in); len(c.partial) >= requestLenB {
			t.Errorf("% x leaves %d bytes waiting", in, len(c.partial))
		}
	})
}

// appendRequest appends the request that parse reads.
func (k Codes) appendRequest(dst []byte, r request) []byte {
	code := k.Open
	if r.cmd == cmdStatus {
		code = k.Status
	}
	from := len(dst)
	dst = append(dst, stx, byte(r.board), byte(r.lock), code, etx)
	return append(dst, sum(dst[from:]))
}
