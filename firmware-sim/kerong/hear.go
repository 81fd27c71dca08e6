package kerong

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/ntpc-smart-community/lobby/firmware-sim/line"
)

// Hear takes what the host sent. It is a method of line.Device.
func (c *Chain) Hear(b []byte, now time.Time) []line.Heard {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle(now)
	var out []line.Heard
	if len(c.partial) > 0 && now.Sub(c.lastByte) > partialLife {
		out = append(out, rubbish(c.partial))
		c.partial = nil
	}
	c.partial, c.lastByte = append(c.partial, b...), now
	for {
		junk, n := cut(c.partial)
		if junk > 0 {
			out = append(out, rubbish(c.partial[:junk]))
		}
		frame := slices.Clone(c.partial[junk : junk+n])
		c.partial = slices.Clone(c.partial[junk+n:])
		if n == 0 {
			return out
		}
		r := parseRequest(frame)
		h := line.Heard{Bytes: frame, Meaning: c.explainRequest(r, frame)}
		if r.sumOK || c.cfg.IgnoresSum {
			h.Answers = c.obey(r, now)
		}
		out = append(out, h)
	}
}

// obey does what a request asks for and returns the answers.
func (c *Chain) obey(r request, now time.Time) []line.Answer {
	var out []line.Answer
	for _, b := range c.boards {
		switch {
		case b.fault == BoardDead, r.board != b.Address && r.board != broadcast:
			continue
		case c.cfg.BusySilent && b.busy(c, now):
			continue
		}
		if frame := c.act(b, r, now); frame != nil && b.fault != BoardMute {
			out = append(out, line.Answer{After: turnaround, Bytes: frame})
		}
	}
	return out
}

// act is one board's part in obeying; it returns the board's answer, nil for none.
func (c *Chain) act(b *board, r request, now time.Time) []byte {
	switch r.cmd {
	case cmdStatus:
		return c.status(b, rspStatus)
	case cmdStatusAll:
		return c.status(b, rspStatusAll)
	case cmdUnlock:
		if r.lock < b.Locks {
			c.energise(b, c.locks[b.first+r.lock], now)
		}
		if c.cfg.AnswersUnlock {
			return c.status(b, rspStatus)
		}
	case cmdUnlockAll:
		for i, l := range c.locks[b.first : b.first+b.Locks] {
			c.energise(b, l, now.Add(time.Duration(i)*b.pulse))
		}
	case cmdPulse:
		if len(r.data) == 2 {
			b.pulse = time.Duration(binary.BigEndian.Uint16(r.data)) * pulseUnit
		}
		return appendFrame(nil, b.Address, 0, rspPulse, binary.BigEndian.AppendUint16(nil, uint16(b.pulse/pulseUnit))...)
	}
	return nil // the other commands set the board up and are heard without effect
}

// status is a board's answer. Latches that are not wired read as 1, items that are not fitted as 0.
func (c *Chain) status(b *board, rsp byte) []byte {
	latch, item := ^uint16(0), uint16(0)
	for i, l := range c.locks[b.first : b.first+b.Locks] {
		if l.LatchOpen == (c.cfg.ClosedBit == 1) {
			latch &^= 1 << i
		}
		if l.Item && c.cfg.ItemSensors {
			item |= 1 << i
		}
	}
	return appendFrame(nil, b.Address, 0, rsp, byte(latch), byte(latch>>8), byte(item), byte(item>>8))
}

func rubbish(b []byte) line.Heard {
	return line.Heard{Bytes: slices.Clone(b), Meaning: line.Meaning{ZH: "不成一格，丟棄", EN: "no frame, dropped", Bad: true}}
}
