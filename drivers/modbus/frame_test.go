package modbus

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/goburrow/modbus"

	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

// unhex reads bytes as docs/modbus.md writes them.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

func rtuPackager(unit byte) modbus.Packager {
	h := &modbus.RTUClientHandler{}
	h.SlaveId = unit
	return h
}

// Every frame that docs/modbus.md prints ends with its CRC.
func TestPublishedFrames(t *testing.T) {
	for _, s := range []string{
		"01 03 00 00 00 02 C4 0B", "01 03 04 44 9B 70 00 BA EC", "01 83 02 C0 F1", "02 04 09 C3 00 02 82 58",
		"0A 01 04 A1 00 01 AC 63", "03 05 00 01 FF 00 DC 18", "01 05 02 00 00 07 8D B0", "01 05 02 01 00 08 9C 74",
	} {
		b := unhex(s)
		if !sound(b) {
			t.Errorf("%s: crc = %04x", s, crc(b[:len(b)-2]))
		}
		b[2] ^= 1
		if sound(b) {
			t.Errorf("% x is sound; want damaged", b)
		}
	}
}

func TestRTUAnswer(t *testing.T) {
	read, write := unhex("01 03 00 00 00 02 C4 0B"), unhex("01 05 02 00 00 07 8D B0")
	coils := frameOf(false, nil, 1, []byte{1, 0, 0, 0, 9})
	good := "01 03 04 44 9B 70 00 BA EC"
	crcd := func(s string) string { b := unhex(s); return hex.EncodeToString(frameOf(false, nil, b[0], b[1:])) }
	for _, c := range []struct {
		name string
		req  []byte
		in   string
		want bus.Verdict
		n    int
	}{
		{"whole", read, good, bus.Complete, 9},
		{"with bytes over", read, good + "FF", bus.Complete, 9},
		{"one byte", read, "01", bus.More, 0},
		{"without its byte count", read, "01 03", bus.More, 0},
		{"all but one", read, "01 03 04 44 9B 70 00 BA", bus.More, 0},
		{"damaged", read, "01 03 04 44 9B 70 00 BA ED", bus.Bad, 9},
		{"exception", read, "01 83 02 C0 F1", bus.Complete, 5},
		{"four bytes of an exception", read, "01 83 02 C0", bus.More, 0},
		{"another unit", read, crcd("02 03 04 44 9B 70 00"), bus.Foreign, 9},
		{"another unit's exception", read, crcd("02 83 02"), bus.Foreign, 5},
		{"another function", read, crcd("01 04 04 44 9B 70 00"), bus.Foreign, 9},
		{"exception of another function", read, crcd("01 84 02"), bus.Foreign, 5},
		{"another length", read, crcd("01 03 02 44 9B"), bus.Foreign, 7},
		{"an unknown function", read, crcd("01 2B 0E 01 01"), bus.Bad, 7},
		{"noise before it", read, "FB F2 " + good, bus.Bad, 2},
		{"noise that looks like a long frame before it", read, "55 03 FF " + good, bus.Bad, 3},
		{"noise that looks like an exception before it", read, "55 83 00 11 22 " + good, bus.Bad, 5},
		{"its beginning twice", read, "01 03 " + good, bus.Bad, 2},
		{"noise only", read, "FB F2 FB F2 FB F2", bus.Bad, 6},
		{"noise with its beginning", read, "FB F2 01 03 04", bus.Bad, 2},
		{"echo of a write", write, "01 05 02 00 00 07 8D B0", bus.Complete, 8},
		{"echo of another write", write, crcd("01 05 02 00 00 08"), bus.Foreign, 8},
		{"a write refused", write, crcd("01 85 02"), bus.Complete, 5},
		{"nine coils", coils, crcd("01 01 02 FF 01"), bus.Complete, 7},
		{"eight coils", coils, crcd("01 01 01 FF"), bus.Foreign, 6},
	} {
		if v, n := rtuAnswer(c.req)(unhex(c.in)); v != c.want || v != bus.More && n != c.n {
			t.Errorf("%s: verdict on % x = %v, %d; want %v, %d", c.name, unhex(c.in), v, n, c.want, c.n)
		}
	}
}

func TestTCPAnswer(t *testing.T) {
	req := unhex("0007 0000 0006 01 03 0000 0002")
	for _, c := range []struct {
		name, in string
		want     bus.Verdict
		n        int
	}{
		{"whole", "0007 0000 0007 01 03 04 449B7000", bus.Complete, 13},
		{"with bytes over", "0007 0000 0007 01 03 04 449B7000 00", bus.Complete, 13},
		{"exception", "0007 0000 0003 01 83 02", bus.Complete, 9},
		{"its header", "0007 0000 0007 01", bus.More, 0},
		{"all but one", "0007 0000 0007 01 03 04 449B70", bus.More, 0},
		{"another transaction", "0006 0000 0007 01 03 04 449B7000", bus.Foreign, 13},
		{"another unit", "0007 0000 0007 02 03 04 449B7000", bus.Foreign, 13},
		{"another function", "0007 0000 0007 01 04 04 449B7000", bus.Bad, 13},
		{"another length", "0007 0000 0005 01 03 02 449B", bus.Bad, 11},
		{"a count that lies", "0007 0000 0007 01 03 02 449B7000", bus.Bad, 13},
		{"another protocol", "0007 0001 0007 01 03 04 449B7000", bus.Bad, 13},
		{"no length", "0007 0000 0000 01 03 04 449B7000", bus.Bad, 13},
		{"an endless length", "0007 0000 FFFF 01 03 04 449B7000", bus.Bad, 13},
	} {
		if v, n := tcpAnswer(req)(unhex(c.in)); v != c.want || v != bus.More && n != c.n {
			t.Errorf("%s: verdict = %v, %d; want %v, %d", c.name, v, n, c.want, c.n)
		}
	}
}

// eat lets a Matcher eat in piece by piece, as the bus does, and returns the answer it takes.
func eat(t *testing.T, match bus.Matcher, in []byte, piece int) []byte {
	t.Helper()
	var have []byte
	for chunk := range slices.Chunk(in, max(piece, 1)) {
		have = append(have, chunk...)
		for len(have) > 0 {
			v, n := match(have)
			if v == bus.More {
				break
			}
			if n < 1 || n > len(have) {
				t.Fatalf("verdict %v on % x covers %d bytes", v, have, n)
			}
			if v == bus.Complete {
				return have[:n]
			}
			have = have[n:]
		}
	}
	return nil
}

// Whatever comes, in whatever pieces: what is taken for the answer is one that goburrow takes too, and an answer behind
// noise is found.
func FuzzRTUAnswer(f *testing.F) {
	f.Add(byte(1), byte(3), uint16(0), uint16(2), []byte{}, unhex("449B7000"), byte(1))
	f.Add(byte(1), byte(3), uint16(0), uint16(2), unhex("5503FF"), unhex("449B7000"), byte(2))
	f.Add(byte(1), byte(1), uint16(9), uint16(9), unhex("0101"), unhex("FF01"), byte(3))
	f.Add(byte(1), byte(5), uint16(512), uint16(7), unhex("018302C0"), []byte{}, byte(4))
	f.Add(byte(2), byte(4), uint16(9), uint16(1), unhex("018302C0F1"), []byte{6}, byte(4))
	f.Fuzz(func(t *testing.T, unit, function byte, address, quantity uint16, noise, data []byte, piece byte) {
		if len(noise) > 512 { // the bus keeps 1024 bytes
			return
		}
		function = 1 + function%5
		quantity = 1 + quantity%125
		asked := []byte{function, byte(address >> 8), byte(address), byte(quantity >> 8), byte(quantity)}
		packager := rtuPackager(unit)
		req, err := packager.Encode(&modbus.ProtocolDataUnit{FunctionCode: function, Data: asked[1:]})
		if err != nil || !bytes.Equal(req, frameOf(false, nil, unit, asked)) {
			t.Fatalf("Encode() = % x, %v; want the frame with our CRC", req, err)
		}
		good := asked
		if function != modbus.FuncCodeWriteSingleCoil {
			n := dataLen(function, quantity)
			good = append([]byte{function, byte(n)}, bytes.Repeat(append(data, 0), n)[:n]...)
		}
		for _, pdu := range [][]byte{good, {function | 0x80, 6}} {
			answer := frameOf(false, nil, unit, pdu)
			got := eat(t, rtuAnswer(req), append(slices.Clone(noise), answer...), int(piece))
			if got == nil {
				// noise may hold the beginning of a sound frame of somebody else that ends within ours, once in 65,536
				if !holdsFrame(append(slices.Clone(noise), answer...), len(noise)) {
					t.Errorf("answer % x behind % x is not found", answer, noise)
				}
				continue
			}
			if err := packager.Verify(req, got); err != nil {
				t.Errorf("Verify(% x) = %v", got, err)
			}
			back, err := packager.Decode(got)
			if err != nil || !answers(asked, append([]byte{back.FunctionCode}, back.Data...)) {
				t.Errorf("Decode(% x) = %+v, %v; want an answer to % x", got, back, err, asked)
			}
		}
	})
}

// holdsFrame tells whether a sound frame begins before and ends behind place.
func holdsFrame(in []byte, place int) bool {
	for i := range place {
		if n := rtuLen(in[i:]); n > 0 && i+n > place && i+n <= len(in) && sound(in[i:i+n]) {
			return true
		}
	}
	return false
}

// One flipped bit anywhere makes an answer another or none.
func FuzzFlippedBit(f *testing.F) {
	f.Add(unhex("449B7000"), uint(17))
	f.Fuzz(func(t *testing.T, data []byte, bit uint) {
		data = append(data, 0, 0)[:2]
		req := frameOf(false, nil, 7, []byte{3, 0, 0, 0, 1})
		answer := frameOf(false, nil, 7, append([]byte{3, 2}, data...))
		bit %= uint(8 * len(answer))
		answer[bit/8] ^= 1 << (bit % 8)
		if got := eat(t, rtuAnswer(req), answer, len(answer)); got != nil {
			t.Errorf("% x is taken", got)
		}
	})
}

// What is taken on TCP is what goburrow takes, and foreign frames before it cost nothing.
func FuzzTCPAnswer(f *testing.F) {
	f.Add(unhex("0000 0000 0007 01 03 04 449B7000"), uint16(2), byte(1))
	f.Add(unhex("0001 0000 0003 01 83 02"), uint16(2), byte(3))
	f.Fuzz(func(t *testing.T, in []byte, quantity uint16, piece byte) {
		if len(in) > 512 { // the bus keeps 1024 bytes
			return
		}
		quantity = 1 + quantity%125
		h := &modbus.TCPClientHandler{}
		h.SlaveId = 1
		asked := []byte{3, 0, 0, byte(quantity >> 8), byte(quantity)}
		req, err := h.Encode(&modbus.ProtocolDataUnit{FunctionCode: 3, Data: asked[1:]})
		if err != nil {
			t.Fatal(err)
		}
		if got := eat(t, tcpAnswer(req), in, int(piece)); got != nil {
			back, err := h.Decode(got)
			if h.Verify(req, got) != nil || err != nil || !answers(asked, append([]byte{back.FunctionCode}, back.Data...)) {
				t.Errorf("Decode(% x) = %+v, %v; want an answer", got, back, err)
			}
		}
		answer := frameOf(true, req[:2], 1, append([]byte{3, byte(2 * quantity)}, make([]byte, 2*quantity)...))
		other := frameOf(true, []byte{0xff, 0xff}, 1, append([]byte{3, byte(len(in))}, in[:min(len(in), 200)]...))
		if got := eat(t, tcpAnswer(req), append(other, answer...), int(piece)); !bytes.Equal(got, answer) {
			t.Errorf("answer % x behind another's is not found: % x", answer, got)
		}
	})
}
