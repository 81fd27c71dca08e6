package modbus

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

// Proof is what became of one transcript.
type Proof struct {
	Transcript Transcript
	Faults     []string // what differs; empty: nothing
}

// Prove reads the meter of each transcript through the real driver, over a line that knows the recorded bytes and no others.
func (p *Profile) Prove(ctx context.Context) (all []Proof) {
	for _, t := range p.transcripts {
		all = append(all, Proof{t, t.prove(ctx, p)})
	}
	return all
}

func (t Transcript) prove(ctx context.Context, p *Profile) (faults []string) {
	line := &playback{protocol: t.protocol, left: slices.Clone(t.frames)}
	m, err := NewMeter(line, MeterConfig{Device: "recorded", Protocol: t.protocol, Address: t.unit, Profile: p, Channel: t.channel, Site: t.site})
	if err != nil {
		return []string{err.Error()}
	}
	requests := m.layout.requests[:m.layout.needed]
	if t.want.second != nil {
		requests = m.layout.requests
	}
	r, data, _, err := m.read(ctx, requests)
	if faults = line.faults; len(faults) > 0 { // whatever it read, it was not from this recording
		return faults
	}
	for _, e := range line.left {
		faults = append(faults, fmt.Sprintf("was never asked % x", e.send))
	}
	if t.want.failure != nil {
		return append(faults, t.want.failed(r, err)...)
	}
	if err != nil {
		return append(faults, "no reading: "+err.Error())
	}
	return append(faults, t.want.differs(r, m.layout.explain(data, nil))...)
}

// failed says how far an error is from the expected one.
func (e expected) failed(r drivers.Reading, err error) []string {
	switch {
	case err == nil:
		return []string{fmt.Sprintf("reads %d litres, want an error: %v", r.Litres, e.failure)}
	case !errors.Is(err, e.failure) || !strings.Contains(err.Error(), e.says):
		return []string{fmt.Sprintf("error %q, want %q with %q", err, e.failure, e.says)}
	}
	return nil
}

// differs says in what a reading differs from the expected one, with the register that says so.
func (e expected) differs(r drivers.Reading, values []RegisterValue) (faults []string) {
	fault := func(register, what string, got, want any) {
		at := ""
		if i := slices.IndexFunc(values, func(v RegisterValue) bool { return v.Name == register }); i >= 0 {
			v := values[i]
			at = fmt.Sprintf(" (%s: function %d, register %d, %s %s reads %s = %s)", v.Name, v.Function, v.Wire, v.Type, v.Order, v.Words, strings.TrimSpace(v.Number+" "+v.Meaning))
		}
		faults = append(faults, fmt.Sprintf("%s %v, want %v%s", what, got, want, at))
	}
	if r.Litres != *e.litres {
		fault(total, "litres", r.Litres, *e.litres)
	}
	if e.serial != nil && r.Serial != *e.serial {
		fault(serial, "serial", r.Serial, *e.serial)
	}
	if !slices.Equal(r.Flags, e.flags) {
		fault(status, "flags", r.Flags, e.flags)
	}
	if e.ends != nil && r.Range != *e.ends {
		fault(total, "range", r.Range, *e.ends)
	}
	if e.second != nil {
		i := slices.IndexFunc(values, func(v RegisterValue) bool { return v.Name == second })
		if got := values[i].Litres; got == nil || *got != *e.second {
			fault(second, "second total", values[i].Meaning, *e.second)
		}
	}
	return faults
}

// playback is a line on which only what was recorded happens, in its order.
type playback struct {
	protocol Protocol
	left     []exchanged
	faults   []string // a request that was not recorded; after it nothing is answered
}

// Do answers as the device did.
func (p *playback) Do(ctx context.Context, r bus.Request) (bus.Answer, error) {
	now := time.Now()
	a := bus.Answer{Sent: now}
	switch {
	case ctx.Err() != nil:
		return bus.Answer{}, context.Cause(ctx)
	case len(p.faults) > 0:
		return a, drivers.ErrSilent
	case len(p.left) == 0:
		p.faults = append(p.faults, fmt.Sprintf("asks more than was recorded: % x", r.Frame))
		return a, drivers.ErrSilent
	}
	e := p.left[0]
	p.left = p.left[1:]
	if !bytes.Equal(p.plain(r.Frame), p.plain(e.send)) {
		p.faults = append(p.faults, fmt.Sprintf("asks % x, recorded is % x", r.Frame, e.send))
		return a, drivers.ErrSilent
	}
	in := e.receive
	if p.protocol == TCP {
		in = renumbered(e, r.Frame)
	}
	for len(in) > 0 {
		v, n := r.Match(in)
		switch v {
		case bus.Complete:
			a.Frame, a.At, a.Turn = in[:n], now, 1
			return a, nil
		case bus.Foreign:
			a.Foreign++
		case bus.Bad:
			a.Bad++
		case bus.More:
			return a, fmt.Errorf("%w: the recording ends with % x, which is not whole or has a wrong CRC", drivers.ErrSilent, in)
		}
		in = in[n:]
	}
	return a, fmt.Errorf("%w: %d damaged and %d foreign frames%s", drivers.ErrSilent, a.Bad, a.Foreign, p.sum(e.receive))
}

// sum compares the CRC of what was received with the one that it should have: copying a digit wrong is easily done.
func (p *playback) sum(b []byte) string {
	n := len(b) - 2
	if p.protocol == TCP || n < 1 || sound(b) {
		return ""
	}
	return fmt.Sprintf("; the CRC of all is % x, and the bytes before have % x", b[n:], binary.LittleEndian.AppendUint16(nil, crc(b[:n])))
}

// plain is a request without its transaction number, which counts from the start of a program.
func (p *playback) plain(frame []byte) []byte {
	if p.protocol == TCP {
		return frame[2:]
	}
	return frame
}

// renumbered is what was received with the transaction number of asked in the place of the recorded one.
func renumbered(e exchanged, asked []byte) []byte {
	in := slices.Clone(e.receive)
	for rest := in; len(rest) >= headerLen; {
		if bytes.Equal(rest[:2], e.send[:2]) {
			copy(rest, asked[:2])
		}
		rest = rest[min(len(rest), headerLen-1+int(binary.BigEndian.Uint16(rest[4:]))):]
	}
	return in
}
