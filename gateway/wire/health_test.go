package wire_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func TestWords(t *testing.T) {
	long := strings.Repeat("板", 60) // 180 bytes
	tests := []struct{ name, in, want string }{
		{"as it is", "board 2: no answer in 300ms: check 12 V", "board 2: no answer in 300ms: check 12 V"},
		{"lines", "one\r\ntwo\tthree\u0085four\u2028five", "one  two three four five"},
		{"NUL", "a\x00b\x7f", "a b "},
		{"not UTF-8", "a\xff\xfeb", "a\uFFFDb"},
		{"cut between characters", long, strings.Repeat("板", 52) + "…"},
		{"just fits", strings.Repeat("x", wire.MaxWords), strings.Repeat("x", wire.MaxWords)},
		{"one too long", strings.Repeat("x", wire.MaxWords+1), strings.Repeat("x", wire.MaxWords-3) + "…"},
		{"empty", "", ""},
	}
	for _, tt := range tests {
		if got := wire.Words(tt.in); got != tt.want {
			t.Errorf("%s: Words(%q) = %q; want %q", tt.name, tt.in, got, tt.want)
		}
	}
}

// What Words gives is one line, short, and stays as it is when it goes through once more.
func FuzzWords(f *testing.F) {
	for _, s := range []string{"", "no answer", "\xff\x00\r\n", strings.Repeat("門", 99), strings.Repeat("x", 157) + "門門"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got := wire.Words(in)
		if len(got) > wire.MaxWords || !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) || wire.Words(got) != got {
			t.Errorf("Words(%q) = %q", in, got)
		}
	})
}

func manyDevices(n int, online func(int) bool) []wire.DeviceHealth {
	var all []wire.DeviceHealth
	for i := range n {
		d := wire.DeviceHealth{ID: fmt.Sprintf("meter/m-%03d", i), Kind: "gas_meter", Online: online(i), At: 1_780_000_000_000_000}
		if !d.Online {
			d.Code, d.Error = "silent", strings.Repeat("<", wire.MaxWords) // six bytes each in JSON
		}
		all = append(all, d)
	}
	return all
}

func TestFit(t *testing.T) {
	few := wire.Health{Devices: manyDevices(5, func(i int) bool { return i != 3 })}
	if got := few.Fit(4 << 10); !reflect.DeepEqual(got, few) {
		t.Errorf("what fits is changed: %+v", got)
	}
	if got := few.Fit(0); len(got.Devices) != 0 || got.More != 5 {
		t.Errorf("without any room: %+v", got)
	}
	many := wire.Health{Devices: manyDevices(500, func(i int) bool { return i%100 != 7 })}
	size := func(h wire.Health) int { return len(wire.Raw(h)) }
	empty := size(wire.Health{})
	for _, room := range []int{300, 2_000, 10_000, 30_000} {
		got := many.Fit(room)
		if n := size(got) - empty; n > room || len(got.Devices)+got.More != 500 || got.More == 0 {
			t.Errorf("Fit(%d) takes %d bytes for %d devices and leaves out %d", room, n, len(got.Devices), got.More)
		}
		silent := 0
		for i, d := range got.Devices {
			if !d.Online {
				silent++
			}
			if !d.Online && silent != i+1 {
				t.Errorf("Fit(%d): %s, not online, comes after one that is", room, d.ID)
			}
		}
		if room >= 10_000 && silent != 5 {
			t.Errorf("Fit(%d) names %d of 5 silent devices", room, silent)
		}
	}
}
