package modbus

import (
	"fmt"
	"time"

	"github.com/ntpc-smart-community/lobby/firmware-sim/line"
)

const (
	// Outputs is how many a relay module has, numbered from 0.
	Outputs = 8
	// Inputs is how many it has, numbered from 0.
	Inputs = 8

	// flash is the address at which output 0 is switched on for a time, which is the value written, in flashUnits: the module
	// switches it off by itself.
	flash     = 0x0200
	flashUnit = 100 * time.Millisecond
	maxFlash  = 0x7fff
)

// Output is one output of a relay module as it stands.
type Output struct {
	On      bool
	Times   uint64        // it went on so often
	Longest time.Duration // it was on for so long without a break
}

// output is an Output with its times.
type output struct {
	Output
	since time.Time // it went on; only while on
	until time.Time // it will go off by itself; zero: it stays on
}

// Relay is a relay module of eight outputs and eight inputs, with the doors that are wired to it. It is safe for
// concurrent use.
type Relay struct {
	station
	outputs [Outputs]output
	doors   []*Door
}

// RelayConfig describes a relay module.
type RelayConfig struct {
	Name       string        // for explanations
	Unit       int           // 1 to 247
	Turnaround time.Duration // from a request to its answer; 0 means 5 ms
	Seed       uint64        // of its late answers
}

// NewRelay returns a module with every output off. It panics on an impossible configuration.
func NewRelay(cfg RelayConfig) *Relay {
	r := &Relay{}
	r.place(cfg.Unit, cfg.Name, cfg.Turnaround, cfg.Seed)
	return r
}

// Wire adds a door, shut. It panics on an impossible wiring.
func (r *Relay) Wire(cfg DoorConfig) *Door {
	if cfg.Output < 0 || cfg.Output >= Outputs || cfg.Contact < None || cfg.Contact >= Inputs || cfg.Exit < None || cfg.Exit >= Inputs {
		panic(fmt.Sprintf("modbus: impossible door %+v", cfg))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	d := &Door{cfg: cfg, relay: r}
	r.doors = append(r.doors, d)
	return d
}

// Output returns an output, 0 to 7, as it stands: the oracle for what no door is wired to.
func (r *Relay) Output(n int) Output {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.output(n, time.Now())
}

// output is an output with the time for which it has been on until now.
func (r *Relay) output(n int, now time.Time) Output {
	r.settle(now)
	o := r.outputs[n]
	if o.On {
		o.Longest = max(o.Longest, now.Sub(o.since))
	}
	return o.Output
}

// settle lets happen what was due by now.
func (r *Relay) settle(now time.Time) {
	for n := range r.outputs {
		if o := &r.outputs[n]; o.On && !o.until.IsZero() && !o.until.After(now) {
			o.off(o.until)
		}
	}
}

func (o *output) off(at time.Time) {
	if o.On {
		o.On, o.Longest = false, max(o.Longest, at.Sub(o.since))
	}
}

// on switches an output on at a time; until zero: for good.
func (o *output) on(at, until time.Time) {
	if !o.On {
		o.On, o.since = true, at
		o.Times++
	}
	o.until = until
}

// obey does what a request asks for. It is a method of Slave.
func (r *Relay) obey(q request, now time.Time) []byte {
	r.settle(now)
	switch q.fn {
	case fnCoils:
		coils := make([]bool, Outputs)
		for n, o := range r.outputs {
			coils[n] = o.On
		}
		return readBits(q, coils)
	case fnInputs:
		inputs := make([]bool, Inputs)
		for _, d := range r.doors {
			d.sense(inputs, now)
		}
		return readBits(q, inputs)
	case fnWriteCoil:
		return r.write(q, now)
	}
	return exception(q.fn, noFunction)
}

func readBits(q request, bits []bool) []byte {
	switch {
	case q.n < 1 || q.n > maxBits:
		return exception(q.fn, noValue)
	case int(q.addr)+int(q.n) > len(bits):
		return exception(q.fn, noAddress)
	}
	return appendBits(nil, q.fn, bits[q.addr:q.addr+q.n])
}

// write switches one output and answers with the request.
func (r *Relay) write(q request, now time.Time) []byte {
	n, timed := outputOf(q.addr)
	switch {
	case n < 0:
		return exception(q.fn, noAddress)
	case timed && (q.n < 1 || q.n > maxFlash), !timed && q.n != coilOn && q.n != coilOff:
		return exception(q.fn, noValue)
	case timed:
		r.outputs[n].on(now, now.Add(time.Duration(q.n)*flashUnit))
	case q.n == coilOn:
		r.outputs[n].on(now, time.Time{})
	default:
		r.outputs[n].off(now)
	}
	return []byte{q.fn, byte(q.addr >> 8), byte(q.addr), byte(q.n >> 8), byte(q.n)}
}

// outputOf is the output that a coil's address switches, and whether for a time; -1: none.
func outputOf(addr uint16) (n int, timed bool) {
	switch {
	case addr < Outputs:
		return int(addr), false
	case addr >= flash && addr < flash+Outputs:
		return int(addr - flash), true
	}
	return -1, false
}

// asked says what a request means. It is a method of Slave.
func (r *Relay) asked(q request) line.Meaning {
	switch q.fn {
	case fnCoils:
		return line.Meaning{ZH: "讀輸出 " + span(q), EN: "read outputs " + span(q)}
	case fnInputs:
		return line.Meaning{ZH: "讀輸入 " + span(q), EN: "read inputs " + span(q)}
	case fnWriteCoil:
		return r.written(q)
	}
	return unknown(q)
}

// written says what a write switches: the request, and the answer that repeats it.
func (r *Relay) written(q request) line.Meaning {
	n, timed := outputOf(q.addr)
	if n < 0 {
		return line.Meaning{ZH: fmt.Sprintf("寫輸出位址 %04X，沒有這個輸出", q.addr), EN: fmt.Sprintf("write output address %04X, which is not there", q.addr)}
	}
	zh, en := fmt.Sprintf("輸出 %d", n), fmt.Sprintf("output %d", n)
	for _, d := range r.doors {
		if d.cfg.Output == n {
			zh, en = d.cfg.Name+" 電鎖", d.cfg.English+" strike"
		}
	}
	switch {
	case timed:
		d := time.Duration(q.n) * flashUnit
		return line.Meaning{ZH: fmt.Sprintf("%s通電 %g 秒，模組自己斷電", zh, d.Seconds()), EN: fmt.Sprintf("%s on for %v, then off by itself", en, d), Marked: true}
	case q.n == coilOn:
		return line.Meaning{ZH: zh + "通電", EN: en + " on", Marked: true}
	case q.n == coilOff:
		return line.Meaning{ZH: zh + "斷電", EN: en + " off"}
	}
	return line.Meaning{ZH: fmt.Sprintf("%s寫入 %04X，沒有這個值", zh, q.n), EN: fmt.Sprintf("write %04X to %s, no such value", q.n, en)}
}

// answered says what an answer tells. It is a method of Slave.
func (r *Relay) answered(q request, pdu []byte) line.Meaning {
	if q.fn == fnWriteCoil && len(pdu) == fixedAsked {
		if echo, _ := parseRequest(pdu); echo == q {
			m := r.written(q)
			return line.Meaning{ZH: "照做：" + m.ZH, EN: "done: " + m.EN}
		}
	}
	if q.fn == fnWriteCoil || len(pdu) != 2+(int(q.n)+7)/8 {
		return line.Meaning{ZH: fmt.Sprintf("% X，與所問不符", pdu), EN: fmt.Sprintf("% X, not what was asked for", pdu)}
	}
	bit := func(n int) (on, has bool) {
		i := n - int(q.addr)
		if n < 0 || i < 0 || i >= int(q.n) {
			return false, false
		}
		return pdu[2+i/8]>>(i%8)&1 == 1, true
	}
	var zh, en phrase
	for _, d := range r.doors {
		if q.fn == fnCoils {
			d.explainOutput(bit, &zh, &en)
		} else {
			d.explainInputs(bit, &zh, &en)
		}
	}
	if len(zh) == 0 {
		zh.add("%s：% X", span(q), pdu[2:])
		en.add("%s: % X", span(q), pdu[2:])
	}
	return line.Meaning{ZH: zh.join("；"), EN: en.join("; ")}
}
