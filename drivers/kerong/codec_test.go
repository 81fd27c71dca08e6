package kerong

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

// frame reads bytes as docs/kerong.md prints them.
func frame(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// appendStatus is the board's side of ParseStatus.
func appendStatus(dst []byte, s Status) []byte {
	f := []byte{stx, byte(s.Board << 4), rspStatus, 0, 0, 0, 0, etx, 0}
	if s.All {
		f[2] = rspAll
	}
	binary.LittleEndian.PutUint16(f[3:], s.Latch)
	binary.LittleEndian.PutUint16(f[5:], s.Item)
	f[8] = sum(f[:8])
	return append(dst, f...)
}

func TestAppendRequests(t *testing.T) {
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"status of board 0", AppendStatusRequest(nil, 0), "02 00 30 03 35"},
		{"status of board 1", AppendStatusRequest(nil, 1), "02 10 30 03 45"},
		{"unlock board 0 lock 1", AppendUnlock(nil, 0, 0), "02 00 31 03 36"},
		{"unlock board 0 lock 16", AppendUnlock(nil, 0, 15), "02 0F 31 03 45"},
		{"unlock board 1 lock 3", AppendUnlock(nil, 1, 2), "02 12 31 03 48"},
		{"unlock board 1 lock 4", AppendUnlock(nil, 1, 3), "02 13 31 03 49"},
	} {
		if want := frame(t, c.want); !bytes.Equal(c.got, want) {
			t.Errorf("%s = % x; want % x", c.name, c.got, want)
		}
	}
}

func TestSum(t *testing.T) {
	for _, s := range []string{ // frames that the driver does not send, but whose sums are known
		"02 F0 32 03 27", "02 00 37 00 32 03 6E", "02 13 31 03 49", "02 10 36 00 00 00 00 03 4B",
	} {
		b := frame(t, s)
		if got := sum(b[:len(b)-1]); got != b[len(b)-1] {
			t.Errorf("sum(%s) = %02x", s, got)
		}
	}
	for _, s := range []string{"02 10 30 03 3E", "02 0F 31 03 49"} { // published wrong
		b := frame(t, s)
		if got := sum(b[:len(b)-1]); got != 0x45 {
			t.Errorf("sum(%s) = %02x; want 45", s, got)
		}
	}
}

// invariant 15: what the driver can put on the line is 30 and 31 to one board, for every number it may be given.
func TestOnlyStatusAndUnlockAreEverEncoded(t *testing.T) {
	published := [][]byte{frame(t, "02 10 30 03 3E"), frame(t, "02 0F 31 03 49")}
	for board := -1; board <= 16; board++ {
		for lock := -1; lock <= 16; lock++ {
			b, refused := encoded(board, lock)
			if legal := board >= 0 && board <= 14 && lock >= 0 && lock <= 15; legal == refused {
				t.Fatalf("board %d, lock %d: refused = %v", board, lock, refused)
			}
			if refused {
				continue
			}
			if b[1]>>4 == 0xf || b[2] != 0x31 || b[4] != b[0]+b[1]+b[2]+b[3] || int(b[1]) != board*16+lock {
				t.Errorf("board %d, lock %d = % x", board, lock, b)
			}
			for _, wrong := range published {
				if bytes.Equal(b, wrong) {
					t.Errorf("board %d, lock %d = % x, which was published wrong", board, lock, b)
				}
			}
		}
	}
}

func encoded(board, lock int) (b []byte, refused bool) {
	defer func() { refused = recover() != nil }()
	return AppendUnlock(nil, board, lock), false
}

func TestParseStatus(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     Status
		err      error
	}{
		{"lock 3 differs, item in lock 1", "02 00 35 FB FF 01 00 03 35", Status{Latch: 0xfffb, Item: 1}, nil},
		{"board 1", "02 10 35 FF FF 00 00 03 48", Status{Board: 1, Latch: 0xffff}, nil},
		{"answer to 32, board 0", "02 00 36 00 00 00 00 03 3B", Status{All: true}, nil},
		{"answer to 32, board 1", "02 10 36 00 00 00 00 03 4B", Status{Board: 1, All: true}, nil},
		{"empty", "", Status{}, ErrFrame},
		{"short", "02 00 35 FB FF 01 00 03", Status{}, ErrFrame},
		{"long", "02 00 35 FB FF 01 00 03 35 00", Status{}, ErrFrame},
		{"a request", "02 00 30 03 35", Status{}, ErrFrame},
		{"wrong STX", "03 00 35 FB FF 01 00 03 36", Status{}, ErrFrame},
		{"wrong ETX", "02 00 35 FB FF 01 00 04 36", Status{}, ErrFrame},
		{"wrong command", "02 00 34 FB FF 01 00 03 34", Status{}, ErrFrame},
		{"lock in the address", "02 01 35 FB FF 01 00 03 36", Status{}, ErrFrame},
		{"wrong sum", "02 10 35 FF FF 00 00 03 49", Status{}, ErrSum},
		{"one latch bit flipped", "02 10 35 FE FF 00 00 03 48", Status{}, ErrSum},
	} {
		got, err := ParseStatus(frame(t, c.in))
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: ParseStatus(%s) = %+v, %v; want %+v, %v", c.name, c.in, got, err, c.want, c.err)
		}
	}
}

func TestAnswerOf(t *testing.T) {
	const sound = "02 10 35 FF FF 00 00 03 48"
	for _, c := range []struct {
		name, in string
		want     bus.Verdict
		n        int
	}{
		{"whole", sound, bus.Complete, 9},
		{"with bytes over", sound + "02 10", bus.Complete, 9},
		{"its beginning", "02 10 35 FF FF 00 00 03", bus.More, 0},
		{"noise", "00 FF", bus.Bad, 2},
		{"noise before it", "00" + sound, bus.Bad, 1},
		{"another board", "02 00 35 FF FF 00 00 03 38", bus.Foreign, 9},
		{"another command", "02 10 36 FF FF 00 00 03 49", bus.Foreign, 9},
		{"wrong sum", "02 10 35 FF FF 00 00 03 49", bus.Bad, 9},
		{"a request echoed before it", "02 10 30 03 45" + sound, bus.Bad, 5},
	} {
		if got, n := answerOf(1)(frame(t, c.in)); got != c.want || n != c.n && got != bus.More {
			t.Errorf("%s: answerOf(1)(%s) = %v, %d; want %v, %d", c.name, c.in, got, n, c.want, c.n)
		}
	}
}

func FuzzParseStatus(f *testing.F) {
	for _, s := range []string{
		"02 00 35 FB FF 01 00 03 35", "02 10 35 FF FF 00 00 03 48", "02 00 36 00 00 00 00 03 3B",
		"02 10 30 03 3E", "02 0F 31 03 49",
	} {
		f.Add(frame(f, s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if s, err := ParseStatus(in); err == nil && !bytes.Equal(appendStatus(nil, s), in) {
			t.Errorf("ParseStatus(% x) = %+v, which encodes to other bytes", in, s)
		}
	})
}

// What a Matcher takes is a sound answer of the board asked, and what it drops is at least a byte and not too much.
func FuzzAnswerOf(f *testing.F) {
	f.Add(1, []byte{0, stx, 0x10, 0x35, 0xff, 0xff, 0, 0, etx, 0x48})
	f.Add(0, []byte{stx, stx, 0x00, 0x35, 0xff, 0xff, 0, 0, etx, 0x38})
	f.Fuzz(func(t *testing.T, board int, in []byte) {
		board &= 0xf
		for len(in) > 0 {
			v, n := answerOf(board)(in)
			if v == bus.More {
				return
			}
			if n < 1 || n > len(in) {
				t.Fatalf("answerOf(%d)(% x) = %v, %d", board, in, v, n)
			}
			if s, err := ParseStatus(in[:n]); v == bus.Complete && (err != nil || s.Board != board || s.All) {
				t.Fatalf("answerOf(%d)(% x) takes %+v, %v", board, in, s, err)
			}
			in = in[n:]
		}
	})
}

// The page that the code cites prints only frames with right sums, but for the two it calls wrong.
func TestPageIsRight(t *testing.T) {
	page, err := os.ReadFile("../../docs/kerong.md")
	if err != nil {
		t.Fatal(err)
	}
	wrong := map[string]bool{"02 10 30 03 3E": true, "02 0F 31 03 49": true}
	frames := 0
	for i, s := range strings.Split(string(page), "`") {
		if i%2 == 0 || !strings.HasPrefix(s, "02 ") {
			continue
		}
		frames++
		b := frame(t, s)
		if right := sum(b[:len(b)-1]) == b[len(b)-1]; right == wrong[s] {
			t.Errorf("docs/kerong.md prints %s; sum right: %v", s, right)
		}
	}
	if frames != 20 {
		t.Errorf("docs/kerong.md prints %d frames; want 20", frames)
	}
}
