package wire

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxWords bounds an error in a driver's words, in bytes.
const MaxWords = 160

// Codes of devices that are not online.
const (
	DeviceUnasked = "unasked" // not asked yet since the gateway started: nothing is known of it
	DeviceMute    = "silent"
)

// frame is what a list of devices adds to a message beside the devices: its name, brackets, and the count of the rest.
const frame = len(`"devices":[],"more":1000000,`)

// Words makes a text from a driver fit to travel: one line of valid UTF-8 without control characters, at most MaxWords
// bytes, cut between characters.
func Words(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) <= MaxWords {
		return s
	}
	const rest = "…"
	end := MaxWords - len(rest)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + rest
}

// Fit keeps as many devices as a message has room for in n more bytes, and counts the others in More. If some must be left
// out, those that are not online come first: they are the news.
func (h Health) Fit(n int) Health {
	n -= frame
	all := slices.SortedStableFunc(slices.Values(h.Devices), func(a, b DeviceHealth) int { return cmp.Compare(rank(a), rank(b)) })
	for i, d := range all {
		n -= len(Raw(d)) + len(",")
		if n < 0 {
			h.Devices, h.More = all[:i:i], h.More+len(all)-i
			return h
		}
	}
	return h
}

func rank(d DeviceHealth) int {
	if d.Online {
		return 1
	}
	return 0
}
