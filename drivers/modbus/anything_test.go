package modbus

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

// babbler is a far end that does what its script says, whatever it is asked.
type babbler struct {
	tcp bool

	mu     sync.Mutex
	script []byte
	conn   io.ReadWriter
	asked  [][]byte // requests as they came
	since  []byte   // all that was said since the newest
	stale  []byte   // what was said to the one before
	says   int      // how often it spoke
}

// serve follows the script for each request until the line is cut or the script cuts it.
func (b *babbler) serve(line io.ReadWriter) {
	size := readLen
	if b.tcp {
		size = readTCP
	}
	b.mu.Lock()
	b.conn = line
	b.mu.Unlock()
	for {
		req := make([]byte, size)
		if _, err := io.ReadFull(line, req); err != nil {
			return
		}
		b.mu.Lock()
		b.asked = append(b.asked, req)
		b.stale, b.since = b.since, nil
		b.mu.Unlock()
		for more := true; more; {
			var cut bool
			if more, cut = b.act(line, req); cut {
				return
			}
		}
	}
}

// next takes a byte of the script; its end is silence.
func (b *babbler) next() byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.script) == 0 {
		return 0
	}
	x := b.script[0]
	b.script = b.script[1:]
	return x
}

func (b *babbler) say(line io.Writer, frame []byte) {
	b.mu.Lock()
	b.since = append(b.since, frame...)
	b.says++
	b.mu.Unlock()
	_, _ = line.Write(frame)
}

// act does one thing that the script says; more: another follows for the same request.
func (b *babbler) act(line io.Writer, req []byte) (more, cut bool) {
	unit, pdu := req[0], req[1:6]
	if b.tcp {
		unit, pdu = req[6], req[7:]
	}
	data := func(n int) []byte {
		all := make([]byte, n)
		for i := range all {
			all[i] = b.next()
		}
		return all
	}
	good := slices.Clone(pdu)
	switch {
	case pdu[0] == 3: // a g4: total, status, scale, serial number
		good = append([]byte{3, 12, 0}, data(3)...)
		good = append(good, 0, b.next(), 0, []byte{1, 10, 100}[b.next()%3], 0x12, 0x34, 0x56, 0x78)
	case pdu[0] < 3:
		good = append([]byte{pdu[0], 1}, data(1)...)
	}
	frame := func(unit byte, pdu []byte) []byte { return frameOf(b.tcp, req[:2], unit, pdu) }
	switch op := b.next(); op % 16 {
	case 1, 2:
		b.say(line, frame(unit, good))
	case 3:
		b.say(line, data(int(b.next())%64))
		return true, false
	case 4:
		f := frame(unit, good)
		at := int(b.next()) % (8 * len(f))
		f[at/8] ^= 1 << (at % 8)
		b.say(line, f)
	case 5:
		f := frame(unit, good)
		b.say(line, f[:int(b.next())%len(f)])
		return op >= 128, false
	case 6:
		b.say(line, frame(b.next(), good))
		return true, false
	case 7:
		good[0] = b.next()
		b.say(line, frame(unit, good))
	case 8:
		b.say(line, frame(unit, append(good, data(2)...)))
	case 9:
		b.say(line, frame(unit, []byte{pdu[0] | exception, b.next()}))
	case 10:
		b.say(line, append(frame(unit, good), frame(unit, good)...))
	case 11:
		time.Sleep(time.Duration(b.next()) * 10 * time.Millisecond)
		return true, false
	case 12:
		b.say(line, req)
		return true, false
	case 13:
		b.mu.Lock()
		stale := slices.Clone(b.stale)
		b.mu.Unlock()
		b.say(line, stale)
		return true, false
	case 14:
		return false, true
	case 15: // all at once, and without end
		for range 1 + int(b.next())%32 {
			b.say(line, data(32))
		}
	}
	return false, false
}

// carries tells whether frame answers req: by its unit, function, length and CRC, or its transaction number; written apart
// from the driver's own.
func carries(tcp bool, req, frame []byte) bool {
	asked, said := req[1:6], []byte(nil)
	switch {
	case tcp:
		if asked = req[7:]; len(frame) < 9 || !bytes.Equal(frame[:4], req[:4]) || int(binary.BigEndian.Uint16(frame[4:])) != len(frame)-6 || frame[6] != req[6] {
			return false
		}
		said = frame[7:]
	case len(frame) < 5 || frame[0] != req[0] || binary.LittleEndian.Uint16(frame[len(frame)-2:]) != sum16(frame[:len(frame)-2]):
		return false
	default:
		said = frame[1 : len(frame)-2]
	}
	if asked[0] == 5 {
		return bytes.Equal(said, asked)
	}
	n := 2 * int(binary.BigEndian.Uint16(asked[3:]))
	if asked[0] < 3 {
		n = (n/2 + 7) / 8
	}
	return said[0] == asked[0] && len(said) == n+2 && int(said[1]) == n
}

// sum16 is CRC-16/MODBUS by long division of the message with its bits reversed, low bit first.
func sum16(b []byte) (crc uint16) {
	crc = 0xffff
	for i := range 8 * len(b) {
		bit := uint16(b[i/8]>>(i%8)) & 1
		if crc&1 != bit {
			crc = crc>>1 ^ 0xa001
		} else {
			crc >>= 1
		}
	}
	return crc
}

// work is the processor's time of this process.
func work() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A peer may say anything at any time. Through the real line and the real drivers: nothing hangs, nothing grows, no reading
// comes from bytes that do not answer its request, and a release is one frame whatever is said to it. // invariant 5, 13
func FuzzPeer(f *testing.F) {
	read := func(acts ...byte) []byte { return append([]byte{1, 2, 3, 4, 1}, acts...) } // the total 66051, times 10
	for _, tcp := range []bool{false, true} {
		f.Add(tcp, read(1))
		f.Add(tcp, slices.Concat(read(6, 8), read(6, 7))) // another unit, and then its own
		for _, function := range []byte{1, 4, 0x84} {
			f.Add(tcp, read(7, function))
		}
		f.Add(tcp, read(3, 9, 7, 3, 12, 0, 0, 0, 0, 0, 0))                                      // its beginning
		f.Add(tcp, read(3, 17, 7, 3, 12, 0, 0, 0, 9, 0, 0, 0, 1, 0x12, 0x34, 0x56, 0x78, 0, 0)) // all of it but its sum
		f.Add(tcp, slices.Concat(read(11, 90, 1, 2, 3, 4, 1, 1), read(13, 1, 2, 3, 4, 1, 1)))   // too late, and again
		for op := range byte(16) {
			f.Add(tcp, bytes.Repeat(read(op), 8))
			f.Add(tcp, bytes.Repeat([]byte{op}, 64))
		}
		f.Add(tcp, bytes.Repeat([]byte{7, 3, 255, 15, 31}, 60))
	}
	f.Fuzz(func(t *testing.T, tcp bool, script []byte) {
		if len(script) > 2048 {
			return
		}
		var took time.Duration
		var says int
		for range 3 { // a busy machine is not counted against us: the best of three
			before := work()
			says = tell(t, tcp, script)
			if took = work() - before; took < time.Duration(says)*10*time.Millisecond {
				return
			}
		}
		t.Errorf("%v of work for %d frames", took, says)
	})
}

// tell has a meter and a door asked while the peer follows its script. It returns how many frames went over the line.
func tell(t *testing.T, tcp bool, script []byte) (frames int) {
	synctest.Test(t, func(t *testing.T) {
		b := &babbler{tcp: tcp, script: script}
		protocol, cfg := RTU, bus.Config{Baud: 9600, Lateness: time.Second}
		if tcp {
			protocol, cfg = TCP, direct
		}
		line := inBubbleWith(t, b.serve, cfg)
		m := newMeter(t, line, MeterConfig{Protocol: protocol})
		d, err := NewDoor(line, DoorConfig{Device: "door/ktv", Protocol: protocol, Address: unitOf, Output: 1, Flash: true, Contact: at(0), Log: quiet().Log})
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 4 {
			b.reads(t, m)
			b.releases(t, d)
		}
		runtime.ReadMemStats(&after)
		b.mu.Lock()
		frames = b.says + len(b.asked) + 8
		b.mu.Unlock()
		if each := (after.TotalAlloc - before.TotalAlloc) / uint64(frames); each > 64<<10 {
			t.Errorf("%d bytes allocated for each of %d frames", each, frames)
		}
	})
	return frames
}

// reads reads the meter once and judges what came of it.
func (b *babbler) reads(t *testing.T, m *Meter) {
	start := time.Now()
	r, err := m.Read(t.Context())
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("Read() took %v of the line's time", took)
	}
	if err != nil {
		known := slices.ContainsFunc([]error{drivers.ErrSilent, drivers.ErrGone, drivers.ErrRefused, drivers.ErrValue}, func(k error) bool { return errors.Is(err, k) })
		if !known || r.Litres != 0 {
			t.Errorf("Read() = %+v, %v", r, err)
		}
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(r.Raw) != 2 || !bytes.Equal(r.Raw[0].Bytes, b.asked[len(b.asked)-1]) {
		t.Fatalf("Read() = %+v with %+v; want the newest request and its answer", r, r.Raw)
	}
	answer := r.Raw[1].Bytes
	if !carries(b.tcp, r.Raw[0].Bytes, answer) || !bytes.Contains(b.since, answer) {
		t.Errorf("Read() = %+v from % x, which answers % x not", r, answer, r.Raw[0].Bytes)
	}
	data := answer[3:]
	if b.tcp {
		data = answer[9:]
	}
	if want := int64(binary.BigEndian.Uint32(data)) * int64(binary.BigEndian.Uint16(data[6:])); r.Litres != want {
		t.Errorf("Read() = %d litres; % x is %d", r.Litres, answer, want)
	}
}

// releases lets somebody in once and counts the frames that did.
func (b *babbler) releases(t *testing.T, d *Door) {
	b.mu.Lock()
	from := len(b.asked)
	b.mu.Unlock()
	r, err := d.Release(t.Context(), time.Second, time.Now().Add(2*time.Second))
	if err != nil && r.Known {
		t.Errorf("Release() = %+v, %v", r, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	written := 0
	for _, req := range b.asked[min(from, len(b.asked)):] {
		pdu := req[1:6]
		if b.tcp {
			pdu = req[7:]
		}
		if pdu[0] == 5 {
			written++
		}
	}
	if written > 1 {
		t.Errorf("%d frames for one release", written)
	}
	if r.Known && !slices.ContainsFunc(r.Frames, func(f drivers.Frame) bool {
		return !f.Sent && slices.ContainsFunc(b.asked[from:], func(req []byte) bool { return carries(b.tcp, req, f.Bytes) })
	}) {
		t.Errorf("Release() = %+v, though nothing that was said answers it", r)
	}
}
