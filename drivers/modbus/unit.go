package modbus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/goburrow/modbus"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

// Protocol is how frames go over the line.
type Protocol string

// The protocols. RTU is also what a TCP converter with a serial line behind it carries.
const (
	RTU Protocol = "modbus-rtu"
	TCP Protocol = "modbus-tcp" // the line's bus.Config is Direct
)

const (
	maxUnit     = 247
	maxAnswer   = 5 * time.Second
	maxLateness = 10 * time.Second
	silentPolls = 3  // without an answer make a unit count as offline
	maxFrames   = 32 // of evidence
)

// remedies of a unit's own silence, by protocol (docs/modbus.md 4). What the whole line suffers from its bus says.
var remedies = map[Protocol]string{
	RTU: "check its power, the unit number set in it, its A/B wires and ground",
	TCP: "check its power and the unit number set in it",
}

// Line is the part of a bus that a unit needs.
type Line interface {
	Do(ctx context.Context, r bus.Request) (bus.Answer, error)
}

// unit is one Modbus device on a line. Its methods may be called from any goroutine.
type unit struct {
	line     Line
	place    string // for errors: "meter/m-101: unit 7"
	source   string // for the line: "modbus unit 7"
	address  byte
	protocol Protocol
	packager modbus.Packager // builds and reads frames; never connected
	match    func(req []byte) bus.Matcher
	answer   time.Duration
	lateness time.Duration

	mu     sync.Mutex
	health drivers.Health
}

func newUnit(line Line, device string, p Protocol, address int, answer, lateness time.Duration) *unit {
	u := &unit{
		line: line, place: fmt.Sprintf("%s: unit %d", device, address), source: fmt.Sprintf("modbus unit %d", address), address: byte(address), protocol: p, answer: answer, lateness: lateness,
		health: drivers.Health{Device: device, Error: "not asked yet"},
	}
	if p == TCP {
		h := &modbus.TCPClientHandler{}
		h.SlaveId = byte(address)
		u.packager, u.match = h, tcpAnswer
	} else {
		h := &modbus.RTUClientHandler{}
		h.SlaveId = byte(address)
		u.packager, u.match = h, rtuAnswer
	}
	return u
}

// validUnit names what is wrong with what every unit has.
func validUnit(device string, p Protocol, address int, answer, lateness time.Duration) (faults []error) {
	add := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	add(device == "", "device: empty; name it, such as meter/m-101")
	add(p != RTU && p != TCP, "protocol: %q; use %s or %s", p, RTU, TCP)
	add(address < 1 || address > maxUnit, "address: %d; units are 1 to %d", address, maxUnit)
	add(answer < 0 || answer > maxAnswer, "answer: %v; use 0 to %v", answer, maxAnswer)
	add(lateness < 0 || lateness > maxLateness, "lateness: %v; use 0 to %v", lateness, maxLateness)
	return faults
}

// manner is how the requests of one call are asked.
type manner struct {
	priority bus.Priority
	notAfter time.Time
	proven   bool          // only to a device that has answered on this port
	wait     time.Duration // for the answer; 0: the unit's
	asleep   bool          // it may sleep: its silence is no fault
	tape     *tape
}

// tape keeps what went over the line during one call, as evidence.
type tape struct {
	called time.Time
	frames []drivers.Frame
	sent   time.Time // when the first frame was written; zero: none was
	at     time.Time // when the newest answer was whole
}

func (t *tape) add(req []byte, a bus.Answer) {
	t.at = a.At
	if t.sent.IsZero() {
		t.sent = a.Sent
	}
	if !a.Sent.IsZero() && len(t.frames) < maxFrames {
		t.frames = append(t.frames, drivers.Frame{Sent: true, At: a.Sent.Sub(t.called), Bytes: slices.Clone(req)})
	}
	if len(a.Frame) > 0 && len(t.frames) < maxFrames {
		t.frames = append(t.frames, drivers.Frame{At: a.At.Sub(t.called), Bytes: slices.Clone(a.Frame)})
	}
}

// sender is the transporter of one call: goburrow's interface has no place for a context.
type sender func(req []byte) ([]byte, error)

// Send carries one frame and returns the whole answer.
func (s sender) Send(req []byte) ([]byte, error) { return s(req) }

// client returns goburrow's client with the bus as its transporter.
func (u *unit) client(ctx context.Context, m manner) modbus.Client {
	return modbus.NewClient2(u.packager, sender(func(req []byte) ([]byte, error) {
		a, err := u.send(ctx, m, req)
		return a.Frame, err
	}))
}

// send carries one frame over the line, once.
func (u *unit) send(ctx context.Context, m manner, req []byte) (bus.Answer, error) {
	a, err := u.line.Do(ctx, bus.Request{
		Device: u.health.Device, Source: u.source, Priority: m.priority, Frame: req, Match: u.match(req),
		Timeout: cmp.Or(m.wait, u.answer), Lateness: u.lateness, NotAfter: m.notAfter, Proven: m.proven,
	})
	m.tape.add(req, a)
	if !m.asleep || err == nil {
		u.heard(a, err)
	}
	return a, err
}

// writeCoil writes value to a coil, once. goburrow's own call knows the values on and off only, and a module's timer
// takes a time (docs/modbus.md 5).
func (u *unit) writeCoil(ctx context.Context, m manner, address, value uint16) error {
	pdu := modbus.ProtocolDataUnit{
		FunctionCode: modbus.FuncCodeWriteSingleCoil,
		Data:         []byte{byte(address >> 8), byte(address), byte(value >> 8), byte(value)},
	}
	req, err := u.packager.Encode(&pdu)
	if err != nil {
		return err
	}
	a, err := u.send(ctx, m, req)
	if err != nil {
		return err
	}
	answer, err := u.packager.Decode(a.Frame)
	if err == nil && answer.FunctionCode != pdu.FunctionCode {
		err = &modbus.ModbusError{FunctionCode: answer.FunctionCode, ExceptionCode: answer.Data[0]}
	}
	return err
}

// fault gives an error its place, its kind and its remedy. hint is for an address or function that the unit does not have.
func (u *unit) fault(err error, hint string) error {
	var no *modbus.ModbusError
	switch {
	case err == nil:
		return nil
	case strings.HasPrefix(err.Error(), u.place+": "): // it has them
		return err
	case errors.As(err, &no):
		return fmt.Errorf("%s: %w", u.place, refusal(no.ExceptionCode, hint))
	case errors.Is(err, drivers.ErrSilent):
		return fmt.Errorf("%s: %w: %s", u.place, err, remedies[u.protocol])
	}
	return fmt.Errorf("%s: %w", u.place, err)
}

// refusal says what an exception means (docs/modbus.md 3).
func refusal(code byte, hint string) error {
	switch code {
	case modbus.ExceptionCodeIllegalFunction, modbus.ExceptionCodeIllegalDataAddress, modbus.ExceptionCodeIllegalDataValue:
		return fmt.Errorf("%w: exception %02d: %s", drivers.ErrRefused, code, hint)
	case modbus.ExceptionCodeAcknowledge, modbus.ExceptionCodeServerDeviceBusy:
		return fmt.Errorf("%w: exception %02d: busy: later", drivers.ErrRefused, code)
	case modbus.ExceptionCodeGatewayPathUnavailable, modbus.ExceptionCodeGatewayTargetDeviceFailedToRespond:
		return fmt.Errorf("%w behind its gateway (exception %02d): %s", drivers.ErrSilent, code, remedies[RTU])
	}
	return fmt.Errorf("%w: exception %02d: the device has a fault of its own: look at its display", drivers.ErrRefused, code)
}

// heard counts what one request brought.
func (u *unit) heard(a bus.Answer, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	h := &u.health
	h.Errors += uint64(a.Bad + a.Foreign)
	if err != nil {
		if errors.Is(err, drivers.ErrSilent) && !errors.Is(err, bus.ErrResting) { // a poll that was not sent is no time-out
			h.Errors++
		}
		return
	}
	h.Answers++
	h.LastOK = a.At
	if h.Turn == 0 {
		h.Turn = a.Turn
	}
	h.Turn += (a.Turn - h.Turn) / 8 // follows slowly: one slow answer is no news
}

// polled ends one poll. An exception is an answer. A poll that never reached the line (too late, queue full, ctx ended)
// says nothing about the unit.
func (u *unit) polled(err error) {
	silent := errors.Is(err, drivers.ErrSilent) || errors.Is(err, drivers.ErrGone)
	if err != nil && !silent && !errors.Is(err, drivers.ErrRefused) && !errors.Is(err, drivers.ErrValue) {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	h := &u.health
	online := h.Online
	if silent {
		h.Silent++
		if errors.Is(err, drivers.ErrGone) { // known, where silence may be chance; twice, so that a port may open late at the start
			h.Silent++
		}
		online = online && h.Silent < silentPolls
	} else {
		h.Silent, online = 0, true
	}
	switch {
	case online:
		h.Error = ""
	case errors.Is(err, bus.ErrResting) && h.Error != "": // it was not asked, and what ails it was said before
	default:
		h.Error = err.Error()
	}
	if online != h.Online {
		h.Online, h.Since = online, time.Now()
	}
}

// Health is what the driver knows of the device. It asks nothing.
func (u *unit) Health() []drivers.Health {
	u.mu.Lock()
	defer u.mu.Unlock()
	return []drivers.Health{u.health}
}
