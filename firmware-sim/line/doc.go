// Package line simulates a line as a host sees it: a pseudo-terminal with the speed and the faults of a wire, or a TCP
// port, of a device itself or of a converter with a wire behind it.
//
// A Wire carries bytes between a host and a Device, no faster than the baud rate allows where there is one, and damages,
// delays or loses them as its Faults say. A Line is a Wire with its plug, a stable symlink to a pty or a TCP address: it
// can be unplugged and plugged in again, a pty under another name. A Log keeps the last frames with what they mean. The
// devices live in packages of their own; this one knows no protocol.
package line

import "time"

// Device is everything that hangs on one wire, for example a chain of boards.
type Device interface {
	// Hear takes bytes that arrived from the host at now and returns the frames, or stretches of rubbish, that they
	// complete. It must keep what is not complete yet and may drop it once too much time has passed.
	Hear(b []byte, now time.Time) []Heard
	// Explain says what bytes on their way to the host mean.
	Explain(b []byte) Meaning
}

// Heard is one frame, or one stretch of rubbish, that a device found in what the host sent.
type Heard struct {
	Bytes   []byte
	Meaning Meaning
	Answers []Answer // in the order in which they are sent
}

// Answer is one frame from a device to the host.
type Answer struct {
	After time.Duration // from the end of the request, or of the answer before
	Bytes []byte
}

// Meaning is what bytes on the wire mean, for people.
type Meaning struct {
	ZH, EN string
	Bad    bool // damaged: no receiver may act on it
	Marked bool // asks for something physical, such as an unlock
}

// put sets words before those of the meaning, which is bad from then on.
func (m Meaning) put(zh, en string) Meaning {
	m.ZH, m.EN, m.Bad = zh+"："+m.ZH, en+": "+m.EN, true
	return m
}
