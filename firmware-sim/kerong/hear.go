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
		junk, n := c.cut(c.partial)
		if junk > 0 {
			out = append(out, rubbish(c.partial[:junk]))
		}
		frame := slices.Clone(c.partial[junk : junk+n])
		c.partial = slices.Clone(c.partial[junk+n:])
		if n == 0 {
			return out
		}
		r := c.parse(frame)
		h := line.Heard{Bytes: frame, Meaning: c.explainRequest(r, frame)}
		if r.sumOK || c.cfg.IgnoresSum {
			h.Answers = c.obey(r, now)
		}
		out = append(out, h)
	}
}

// cut and parse are those of the chain's dialect.
func (c *Chain) cut(b []byte) (junk, n int) {
	if c.cfg.Dialect == B {
		return c.cfg.Codes.cut(b)
	}
	return cut(b)
}

func (c *Chain) parse(b []byte) request {
	if c.cfg.Dialect == B {
		return c.cfg.Codes.parse(b)
	}
	return parseRequest(b)
}

// obey does what a request asks for and returns the answers.
func (c *Chain) obey(r request, now time.Time) []line.Answer {
	var out []line.Answer
	for _, b := range c.boards {
		switch {
		case b.fault == BoardDead, b.back.After(now), r.board != b.Address && !r.all:
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
	if c.cfg.Dialect == B {
		return c.actB(b, r, now)
	}
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

// bits are a board's latches and items. Latches that are not wired read as 1, items that are not fitted as 0.
func (c *Chain) bits(b *board) (latch, item uint64) {
	latch = ^uint64(0)
	for i, l := range c.locks[b.first : b.first+b.Locks] {
		if l.LatchOpen == (c.cfg.ClosedBit == 1) {
			latch &^= 1 << i
		}
		if l.Item != l.Lies && c.cfg.ItemSensors {
			item |= 1 << i
		}
	}
	return latch, item
}

// status is a board's answer of dialect A.
func (c *Chain) status(b *board, rsp byte) []byte {
	latch, item := c.bits(b)
	return appendFrame(nil, b.Address, 0, rsp, byte(latch), byte(latch>>8), byte(item), byte(item>>8))
}

// actB is one board's part in obeying in dialect B.
func (c *Chain) actB(b *board, r request, now time.Time) []byte {
	if r.cmd == cmdStatus {
		latch, _ := c.bits(b)
		return c.cfg.Codes.appendAnswer(nil, b.Address, r.lock, binary.LittleEndian.AppendUint64(nil, latch)[:latchBytesB]...)
	}
	if r.lock < b.Locks {
		c.energise(b, c.locks[b.first+r.lock], now)
	}
	if c.cfg.AnswersUnlock {
		return c.cfg.Codes.appendAnswer(nil, b.Address, r.lock)
	}
	return nil
}

func rubbish(b []byte) line.Heard {
	return line.Heard{Bytes: slices.Clone(b), Meaning: line.Meaning{ZH: "不成一格，丟棄", EN: "no frame, dropped", Bad: true}}
}
