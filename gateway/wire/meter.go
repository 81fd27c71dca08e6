package wire

// Reading is the data of meter.read: what one sweep got from one meter. What is not good is kept as it was seen, and its
// Quality says why it must not be shown as good.
type Reading struct {
	Sweep    string   `json:"sweep"`              // the sweep's id: readings of one transaction share it
	Litres   int64    `json:"litres"`             // as seen; of bad: the last good total, or 0
	Serial   string   `json:"serial,omitempty"`   // as the meter says
	Quality  string   `json:"quality"`            // good, bad, identity_mismatch, backwards, jump
	Code     string   `json:"code,omitempty"`     // of bad: silent, gone, busy, refused, value, failed
	Rollover bool     `json:"rollover,omitempty"` // the total passed its end: Litres has begun again
	Last     *Good    `json:"last,omitempty"`     // the last good reading before this one
	Until    Micros   `json:"until,omitempty"`    // with an uncertain clock: observed between Last.At and Until at the latest
	Flags    []string `json:"flags,omitempty"`    // the meter's status bits, by name
	Tries    int      `json:"tries,omitempty"`    // asked so often; absent: once
}

// Good is a good reading that an event refers to.
type Good struct {
	Litres int64  `json:"litres"`
	At     Micros `json:"at"`
}

// The qualities of readings.
const (
	ReadingGood      = "good"
	ReadingBad       = "bad"               // nothing could be read
	ReadingForeign   = "identity_mismatch" // another serial number answers
	ReadingBackwards = "backwards"         // less than before, and no rollover
	ReadingJump      = "jump"              // more than the meter can measure in the time
)
