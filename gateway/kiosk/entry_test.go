package kiosk

import (
	"fmt"
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
			typed = press(typed, key, c.limit, c.dashes)
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
			typed = press(typed, key, limit, true)
		}
		if len(typed) > limit || strings.Trim(typed, "0123456789-") != "" || strings.Contains(typed, "--") || strings.HasPrefix(typed, "-") {
			t.Errorf("pressed %q, limit %d: %q", keys, limit, typed)
		}
	})
}

// invariant 10
func TestSecretShowsItselfToNobody(t *testing.T) {
	s := state{code: "471903"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if out := fmt.Sprintf(verb, s.code); strings.Contains(out, "471903") {
			t.Errorf("%s prints the digits", verb)
		}
	}
}
