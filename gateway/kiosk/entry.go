package kiosk

import "log/slog"

// Lengths of what people type.
const (
	pinLen       = 6
	householdLen = 8
	courierLen   = 8
	unitLen      = 9 // "128-128-9": floor, flat and a part of it
)

// secret is digits on their way to the rules. It shows itself to nobody, and goes with the screen it was typed on.
type secret string

// LogValue keeps the digits out of logs.
func (s secret) LogValue() slog.Value { return slog.StringValue("secret") }

// String keeps the digits out of %v.
func (s secret) String() string { return "secret" }

// GoString keeps the digits out of %#v.
func (s secret) GoString() string { return "secret" }

// press returns typed after one key of a pad: a digit, "dash", "back" or "clear". Keys beyond limit, a dash that would
// stand first, beside another or alone, and unknown keys change nothing.
func press(typed, key string, limit int, dashes bool) string {
	switch {
	case key == "clear":
		return ""
	case key == "back":
		return typed[:max(0, len(typed)-1)]
	case key == "dash":
		if dashes && typed != "" && typed[len(typed)-1] != '-' && len(typed) < limit {
			return typed + "-"
		}
	case len(key) == 1 && key[0] >= '0' && key[0] <= '9' && len(typed) < limit:
		return typed + key
	}
	return typed
}

// isKey tells whether key is one that a pad has.
func isKey(key string) bool {
	switch key {
	case "clear", "back", "dash", "enter":
		return true
	}
	return len(key) == 1 && key[0] >= '0' && key[0] <= '9'
}

// unitNumber tells whether s is what stands behind the block in a unit's label: 12-3, 7, 12-3-1.
func unitNumber(s string) bool {
	digits := 0
	for i, c := range []byte(s) {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c != '-' || i == 0 || i == len(s)-1 || s[i-1] == '-':
			return false
		}
	}
	return digits > 0 && len(s) <= unitLen
}

// box is one place of a code.
type box struct{ Full, Next, Gap bool }

// boxes draws n places, half and half, of which typed are full.
func boxes(n, typed int) []box {
	out := make([]box, n)
	for i := range out {
		out[i] = box{Full: i < typed, Next: i == typed, Gap: i == n/2}
	}
	return out
}
