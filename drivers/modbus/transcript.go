package modbus

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ntpc-smart-community/lobby/drivers"
)

const (
	maxTranscripts = 64
	maxExchanges   = 32 // in a transcript
)

// Transcript is what once went over a line between us and a meter, and what it says (docs/modbus.md 6). It proves a profile
// without hardware.
type Transcript struct {
	Name string
	From string // who recorded it, or what it is built from

	protocol Protocol
	unit     int
	channel  int
	site     Site
	frames   []exchanged
	want     expected
}

// exchanged is one request and all that came until the next.
type exchanged struct{ send, receive []byte }

// expected is a reading, or why there is none.
type expected struct {
	litres, ends, second *int64
	serial               *string
	flags                []string
	failure              error // nil: there is a reading
	says                 string
}

// failures are the errors that a transcript can expect.
var failures = map[string]error{"value": drivers.ErrValue, "silent": drivers.ErrSilent, "refused": drivers.ErrRefused}

// Transcripts are those that the profile carries.
func (p *Profile) Transcripts() []Transcript { return p.transcripts }

// readTranscripts reads what proves the map, which has no faults.
func (p *Profile) readTranscripts(t *text, f fields) {
	list := t.list(f, "transcripts")
	if len(list) > maxTranscripts {
		t.wrong(f.of["transcripts"], fmt.Sprintf("%d transcripts", len(list)), fmt.Sprintf("use at most %d", maxTranscripts))
		return
	}
	for _, at := range list {
		r := t.mapping(at, "name", "from", "protocol", "channel", "registers", "scale", "frames", "reads", "fails")
		t.need(r, "name", "from", "frames")
		one := Transcript{
			Name: t.line(r, "name"), From: t.line(r, "from"), protocol: RTU, channel: int(t.whole(r, "channel", 1, int64(p.Channels))),
		}
		if t.choice(r, "protocol", string(RTU), string(TCP)) == string(TCP) {
			one.protocol = TCP
		}
		if slices.ContainsFunc(p.transcripts, func(o Transcript) bool { return o.Name == one.Name }) && one.Name != "" {
			t.wrong(r.of["name"], "another transcript has this name", "give each its own")
		}
		before := len(t.faults)
		p.readSite(t, r, &one)
		t.frames(r, &one)
		p.readExpected(t, r, &one)
		if len(t.faults) == before {
			p.transcripts = append(p.transcripts, one)
		}
	}
}

// readSite reads what the site of the recording said.
func (p *Profile) readSite(t *text, r fields, one *Transcript) {
	at, given := r.of["registers"]
	places := fields{place: at, of: map[string]place{}}
	before := len(t.faults)
	if given {
		places = t.mapping(at, "total", "serial", "status", "scale")
	}
	for key, address := range map[string]**int{"total": &one.site.Total, "serial": &one.site.Serial, "status": &one.site.Status, "scale": &one.site.Scale} {
		if places.has(key) {
			n := int(t.whole(places, key, 0, maxAddress+1))
			*address = &n
		}
	}
	if s, ok := r.of["scale"]; ok {
		one.site.ScaleOf, _ = scalar(s.node)
	}
	if len(t.faults) > before {
		return
	}
	for _, fault := range p.CheckSite(one.channel, one.site) {
		head, _, _ := strings.Cut(fault.Path, ".")
		where, given := r.of[head]
		if !given {
			where = r.place
		}
		t.wrong(place{r.path + "." + fault.Path, where.node}, fault.What, fault.Remedy)
	}
}

// frames reads what was sent and received.
func (t *text) frames(r fields, one *Transcript) {
	list := t.list(r, "frames")
	if r.has("frames") && (len(list) == 0 || len(list) > maxExchanges) {
		t.wrong(r.of["frames"], fmt.Sprintf("%d frames", len(list)), fmt.Sprintf("write 1 to %d requests and what came after each", maxExchanges))
	}
	for _, at := range list {
		f := t.mapping(at, "send", "receive")
		t.need(f, "send")
		e := exchanged{t.hex(f, "send"), t.hex(f, "receive")}
		if len(e.send) == 0 {
			continue
		}
		unit, what, remedy := sentBy(one.protocol, e.send)
		switch {
		case what != "":
			t.wrong(f.of["send"], what, remedy)
		case one.unit != 0 && unit != one.unit:
			t.wrong(f.of["send"], fmt.Sprintf("asks unit %d, and the one before it unit %d", unit, one.unit), "record one device in one transcript")
		}
		one.unit = unit
		one.frames = append(one.frames, e)
	}
}

// sentBy is the unit that a request asks, or what is wrong with it.
func sentBy(p Protocol, b []byte) (unit int, what, remedy string) {
	switch {
	case p == TCP && (len(b) != readTCP || b[2]|b[3]|b[4] != 0 || b[5] != 6):
		return 0, "no request of Modbus TCP", "write its 12 bytes: transaction(2) 0000 0006 unit function first(2) count(2); or correct protocol"
	case p == TCP:
		unit = int(b[6])
	case len(b) != readLen:
		return 0, fmt.Sprintf("%d bytes", len(b)), "write the 8 bytes of the request: unit function first(2) count(2) CRC(2); or give protocol: modbus-tcp"
	case !sound(b):
		return 0, fmt.Sprintf("its CRC is % x, and the bytes before have % x", b[6:], binary.LittleEndian.AppendUint16(nil, crc(b[:6]))), "copy it again as it was recorded"
	default:
		unit = int(b[0])
	}
	if unit < 1 || unit > maxUnit {
		return 0, fmt.Sprintf("asks unit %d", unit), fmt.Sprintf("units are 1 to %d", maxUnit)
	}
	return unit, "", ""
}

// brackets are what mbpoll puts around each byte, and blanks.
var brackets = strings.NewReplacer("[", "", "]", "", "<", "", ">", "", " ", "")

// hex reads bytes; blanks and brackets are for the eye.
func (t *text) hex(f fields, key string) (b []byte) {
	t.value(f, key, "1 to 512 bytes in hexadecimal, in quotes, such as \"01 03 00 00 00 02 C4 0B\"", func(s string) (ok bool) {
		var err error
		b, err = hex.DecodeString(brackets.Replace(s))
		return err == nil && len(b) > 0 && len(b) <= 512
	})
	return b
}

// readExpected reads what the bytes say.
func (p *Profile) readExpected(t *text, r fields, one *Transcript) {
	if r.has("reads") == r.has("fails") {
		t.wrong(r.place, "it says neither what is read nor why nothing is, or both", "give it reads, with the litres on the display, or fails")
		return
	}
	if r.has("fails") {
		f := t.mapping(r.of["fails"], "with", "says")
		t.need(f, "with")
		one.want.failure, one.want.says = failures[t.choice(f, "with", "value", "silent", "refused")], t.line(f, "says")
		return
	}
	f := t.mapping(r.of["reads"], "litres", "serial", "flags", "range", "second")
	t.need(f, "litres")
	for key, n := range map[string]**int64{"litres": &one.want.litres, "range": &one.want.ends, "second": &one.want.second} {
		if f.has(key) {
			v := t.whole(f, key, 0, 1<<59)
			*n = &v
		}
	}
	if f.has("second") && p.registers[second].count == 0 {
		t.wrong(f.of["second"], "the profile has no second total", "remove it")
	}
	if f.has("serial") {
		s := t.value(f, "serial", "the digits of a serial number, in quotes", func(s string) bool {
			_, err := strconv.ParseUint(s, 10, 64)
			return err == nil
		})
		one.want.serial = &s
	} else if p.registers[serial].count > 0 {
		t.need(f, "serial")
	}
	for _, at := range t.list(f, "flags") {
		one.want.flags = append(one.want.flags, t.single(at, "one of the names of the status bits", func(s string) bool {
			return s != "" && slices.Contains(p.registers[status].bits, s)
		}))
	}
}
