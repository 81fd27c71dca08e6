// Package pad is the keypad of screens that people touch: what stands after a key, and how a code's places are drawn.
//
// It holds nothing: what is typed stays with the screen, which also forgets it.
package pad

// UnitLen bounds what stands behind the block in a unit's label: "128-128-9" is floor, flat and a part of it.
const UnitLen = 9

// Digits are the keys from 1 to 9, in the order of a pad; 0 stands below them.
func Digits() []string { return []string{"1", "2", "3", "4", "5", "6", "7", "8", "9"} }

// Press returns typed after one key of a pad: a digit, "dash", "back" or "clear". Keys beyond limit, a dash that would
// stand first, beside another or alone, and unknown keys change nothing.
func Press(typed, key string, limit int, dashes bool) string {
	switch {
	case key == "clear":
		return ""
	case key == "back":
		return typed[:max(0, len(typed)-1)]
	case key == "dash":
		if dashes && typed != "" && typed[len(typed)-1] != '-' && len(typed) < limit {
			return typed + "-"
		}
	case isDigit(key) && len(typed) < limit:
		return typed + key
	}
	return typed
}

// IsKey tells whether key is one that a pad has.
func IsKey(key string) bool {
	switch key {
	case "clear", "back", "dash", "enter":
		return true
	}
	return isDigit(key)
}

func isDigit(key string) bool { return len(key) == 1 && key[0] >= '0' && key[0] <= '9' }

// IsUnit tells whether s is what stands behind the block in a unit's label: 12-3, 7, 12-3-1.
func IsUnit(s string) bool {
	digits := 0
	for i, c := range []byte(s) {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c != '-' || i == 0 || i == len(s)-1 || s[i-1] == '-':
			return false
		}
	}
	return digits > 0 && len(s) <= UnitLen
}

// Box is one place of a code.
type Box struct{ Full, Next, Gap bool }

// Boxes draws n places, half and half, of which typed are full.
func Boxes(n, typed int) []Box {
	out := make([]Box, n)
	for i := range out {
		out[i] = Box{Full: i < typed, Next: i == typed, Gap: i == n/2}
	}
	return out
}
