package pad

import (
	"slices"
	"strings"
	"testing"
)

func TestPress(t *testing.T) {
	for _, c := range []struct {
		keys   string // d dash, b back, c clear, e enter
		limit  int
		dashes bool
		want   string
	}{
		{"12d3", 9, true, "12-3"}, {"d1", 9, true, "1"}, {"1dd2", 9, true, "1-2"}, {"12d3", 6, false, "123"},
		{"1234567", 6, false, "123456"}, {"12b3", 6, false, "13"}, {"b", 6, false, ""}, {"12c", 6, false, ""}, {"1e", 6, false, "1"},
	} {
		typed := ""
		for _, r := range c.keys {
			key := map[rune]string{'d': "dash", 'b': "back", 'c': "clear", 'e': "enter"}[r]
			if key == "" {
				key = string(r)
			}
			typed = Press(typed, key, c.limit, c.dashes)
		}
		if typed != c.want {
			t.Errorf("%s typed = %q; want %q", c.keys, typed, c.want)
		}
	}
}

// Whatever is pressed, what stands is short, of digits and single dashes, and begins with a digit.
func FuzzPress(f *testing.F) {
	f.Add("12dash3", 9)
	f.Fuzz(func(t *testing.T, keys string, limit int) {
		limit = 1 + (limit&0x7fffffff)%12
		typed := ""
		for _, key := range strings.FieldsFunc(keys, func(r rune) bool { return r == ' ' }) {
			typed = Press(typed, key, limit, true)
		}
		if len(typed) > limit || strings.Trim(typed, "0123456789-") != "" || strings.Contains(typed, "--") || strings.HasPrefix(typed, "-") {
			t.Errorf("pressed %q, limit %d: %q", keys, limit, typed)
		}
	})
}

func TestIsUnit(t *testing.T) {
	for unit, want := range map[string]bool{
		"7": true, "12-3": true, "12-3-1": true, "128-128-9": true, "1281-128-9": false,
		"": false, "-": false, "-1": false, "1-": false, "1--2": false, "十二": false, "12 3": false, "A-12-3": false,
	} {
		if got := IsUnit(unit); got != want {
			t.Errorf("IsUnit(%q) = %v; want %v", unit, got, want)
		}
	}
}

func TestIsKey(t *testing.T) {
	for _, key := range append(Digits(), "0", "clear", "back", "dash", "enter") {
		if !IsKey(key) {
			t.Errorf("IsKey(%q) = false", key)
		}
	}
	for _, key := range []string{"", "10", "x", "-", "Enter"} {
		if IsKey(key) {
			t.Errorf("IsKey(%q) = true", key)
		}
	}
}

func TestBoxes(t *testing.T) {
	want := []Box{{Full: true}, {Full: true}, {Next: true, Gap: true}, {}}
	if got := Boxes(4, 2); !slices.Equal(got, want) {
		t.Errorf("Boxes(4, 2) = %v; want %v", got, want)
	}
}
