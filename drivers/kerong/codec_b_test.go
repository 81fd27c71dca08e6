package kerong

import (
	"bytes"
	"errors"
	"testing"

	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

// firmware50 is the other set of codes.
var firmware50 = Codes{Status: 0x50, Open: 0x51, OK: 0x75}

// appendStatusB is the board's side of Codes.ParseStatus.
func appendStatusB(dst []byte, c Codes, s StatusB) []byte {
	f := []byte{stx, byte(s.Board), 0, c.OK, 6}
	for i := range 6 {
		f = append(f, byte(s.Latch>>(8*i)))
	}
	return append(dst, summed(f)...)
}

func TestAppendRequestsB(t *testing.T) {
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"status of board 0", firmware60.AppendStatusRequest(nil, 0), "02 00 00 60 03 65"},
		{"open board 0 lock 1", firmware60.AppendUnlock(nil, 0, 0), "02 00 00 61 03 66"},
		{"open board 2 lock 48", firmware60.AppendUnlock(nil, 2, 47), "02 02 2F 61 03 97"},
		{"status of board 99 of other firmware", firmware50.AppendStatusRequest(nil, 99), "02 63 00 50 03 B8"},
		{"open by other firmware", firmware50.AppendUnlock(nil, 0, 2), "02 00 02 51 03 58"},
	} {
		if want := frame(t, c.want); !bytes.Equal(c.got, want) {
			t.Errorf("%s = % x; want % x", c.name, c.got, want)
		}
	}
}

// invariant 15: what the driver can put on the line is the two codes to one board and one lock, for every number it may be
// given.
func TestOnlyStatusAndOpenAreEverEncodedB(t *testing.T) {
	for board := -1; board <= 256; board++ {
		for lock := -1; lock <= 256; lock++ {
			b, refused := encodedB(board, lock)
			if legal := board >= 0 && board <= 99 && lock >= 0 && lock <= 47; legal == refused {
				t.Fatalf("board %d, lock %d: refused = %v", board, lock, refused)
			}
			if !refused && (len(b) != 6 || int(b[1]) != board || int(b[2]) != lock || b[3] != 0x61 || !bytes.Equal(summed(b[:5:5]), b)) {
				t.Errorf("board %d, lock %d = % x", board, lock, b)
			}
		}
	}
}

func encodedB(board, lock int) (b []byte, refused bool) {
	defer func() { refused = recover() != nil }()
	return firmware60.AppendUnlock(nil, board, lock), false
}

func TestParseStatusB(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     StatusB
		err      error
	}{
		{"all closed", "02 00 00 75 06 FF FF FF FF FF FF 77", StatusB{Latch: 1<<48 - 1}, nil},
		{"lock 1 of board 7", "02 07 00 75 06 01 00 00 00 00 00 85", StatusB{Board: 7, Latch: 1}, nil},
		{"lock 48", "02 00 00 75 06 00 00 00 00 00 80 FD", StatusB{Latch: 1 << 47}, nil},
		{"empty", "", StatusB{}, ErrFrame},
		{"short", "02 00 00 75 06 FF FF FF FF FF FF", StatusB{}, ErrFrame},
		{"long", "02 00 00 75 06 FF FF FF FF FF FF 77 00", StatusB{}, ErrFrame},
		{"an answer to open", "02 00 00 75 00 77", StatusB{}, ErrFrame},
		{"a lock in it", "02 00 01 75 06 FF FF FF FF FF FF 78", StatusB{}, ErrFrame},
		{"another code", "02 00 00 76 06 FF FF FF FF FF FF 78", StatusB{}, ErrFrame},
		{"another length", "02 00 00 75 05 FF FF FF FF FF FF 76", StatusB{}, ErrFrame},
		{"wrong sum", "02 00 00 75 06 FF FF FF FF FF FF 78", StatusB{}, ErrSum},
		{"one latch bit flipped", "02 00 00 75 06 FE FF FF FF FF FF 77", StatusB{}, ErrSum},
	} {
		got, err := firmware60.ParseStatus(frame(t, c.in))
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: ParseStatus(%s) = %+v, %v; want %+v, %v", c.name, c.in, got, err, c.want, c.err)
		}
	}
}

func TestAnswerOfB(t *testing.T) {
	const sound = "02 01 00 75 06 FF FF FF FF FF FF 78"
	for _, c := range []struct {
		name, in string
		want     bus.Verdict
		n        int
	}{
		{"whole", sound, bus.Complete, 12},
		{"with bytes over", sound + "02 01", bus.Complete, 12},
		{"its beginning", "02 01 00 75 06 FF FF", bus.More, 0},
		{"not even its length", "02 01 00 75", bus.More, 0},
		{"noise", "00 FF", bus.Bad, 2},
		{"noise before it", "00" + sound, bus.Bad, 1},
		{"another board", "02 00 00 75 06 FF FF FF FF FF FF 77", bus.Foreign, 12},
		{"an answer to open", "02 01 00 75 00 78", bus.Foreign, 6},
		{"another code", "02 01 00 76 00 79", bus.Foreign, 6},
		{"wrong sum", "02 01 00 75 06 FF FF FF FF FF FF 77", bus.Bad, 12},
		{"a request echoed before it", "02 01 00 60 03 66" + sound, bus.Bad, 6},
		{"an answer of dialect A", "02 10 35 FF FF 00 00 03 48", bus.Bad, 9},
	} {
		if got, n := firmware60.answerOf(1)(frame(t, c.in)); got != c.want || n != c.n && got != bus.More {
			t.Errorf("%s: answerOf(1)(%s) = %v, %d; want %v, %d", c.name, c.in, got, n, c.want, c.n)
		}
	}
}

// Answers of the two dialects are never taken for each other's, so that Source may tell them apart.
func FuzzDialectsApart(f *testing.F) {
	f.Add(1, uint64(0xffff), uint64(0))
	f.Fuzz(func(t *testing.T, board int, latch, item uint64) {
		board &= 0x7f
		a := appendStatus(nil, Status{Board: board & 0xf, Latch: uint16(latch), Item: uint16(item)})
		b := appendStatusB(nil, firmware60, StatusB{Board: board, Latch: latch & latchMask})
		for other := range 15 {
			takes(t, answerOf(other), append(b, a[:2]...), "dialect A takes B's")
			takes(t, firmware60.answerOf(other), append(a, b[:2]...), "dialect B takes A's")
		}
	})
}

// takes fails if m finds an answer in what is none of its own.
func takes(t *testing.T, m bus.Matcher, in []byte, what string) {
	t.Helper()
	for rest := in; len(rest) > 0; {
		v, n := m(rest)
		if v == bus.More {
			return
		}
		if v == bus.Complete {
			t.Fatalf("%s: % x", what, in)
		}
		rest = rest[n:]
	}
}

func FuzzParseStatusB(f *testing.F) {
	for _, s := range []string{
		"02 00 00 75 06 FF FF FF FF FF FF 77", "02 07 00 75 06 01 00 00 00 00 00 85", "02 00 00 75 00 77", "02 00 00 60 03 65",
	} {
		f.Add(frame(f, s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if s, err := firmware60.ParseStatus(in); err == nil && !bytes.Equal(appendStatusB(nil, firmware60, s), in) {
			t.Errorf("ParseStatus(% x) = %+v, which encodes to other bytes", in, s)
		}
	})
}

// What a Matcher takes is a sound answer of the board asked, and what it drops is at least a byte and not too much.
func FuzzAnswerOfB(f *testing.F) {
	f.Add(1, []byte("\x00\x02\x01\x00\x75\x06\xff\xff\xff\xff\xff\xff\x78"))
	f.Add(0, []byte("\x02\x02\x00\x00\x75\x06\x02\x02\x02\x02\x02\x02\x89"))
	f.Fuzz(func(t *testing.T, board int, in []byte) {
		board &= 0x7f
		for len(in) > 0 {
			v, n := firmware60.answerOf(board)(in)
			if v == bus.More {
				return
			}
			if n < 1 || n > len(in) {
				t.Fatalf("answerOf(%d)(% x) = %v, %d", board, in, v, n)
			}
			if s, err := firmware60.ParseStatus(in[:n]); v == bus.Complete && (err != nil || s.Board != board) {
				t.Fatalf("answerOf(%d)(% x) takes %+v, %v", board, in, s, err)
			}
			in = in[n:]
		}
	})
}
