package bus

import (
	"encoding/binary"
	"slices"
	"sync"
	"time"
)

// The bounds of a recording. What a line says in ten minutes without a pause, at 9600 baud and in pieces of one byte, is
// about 2 MiB; most lines say a twentieth of it.
const (
	recordFor  = 10 * time.Minute
	recordMost = 2 << 20  // bytes kept of one line; the oldest go
	blockSize  = 16 << 10 // they go by the block
	maxText    = 256      // bytes kept of a text or a name
)

// Kind is what a Record tells.
type Kind uint8

// The kinds of records.
const (
	LineIs        Kind = iota + 1 // which line it is, and its settings: always the first
	PortOpened                    // its port was opened
	PortLost                      // its port went away, or was closed to be opened again
	FrameSent                     // a frame was handed to the port
	BytesReceived                 // bytes were read, in this piece
	TimedOut                      // the time-out of the request under way is over; its answer is still taken, as late
	Ended                         // what became of the request under way
	kinds
)

// Outcome is what the bus concluded of a request that it had sent.
type Outcome uint8

// The outcomes.
const (
	Answered     Outcome = iota + 1 // in time
	AnsweredLate                    // after the learned time-out
	Silent                          // no usable answer
	Listened                        // no answer was awaited; whatever came is kept
	Broken                          // the port went away, or the bus was stopped
	Echoed                          // the line returned what was sent, which its configuration does not say
	Undecoded                       // only of a replay: no decoder knows the request
	outcomes
)

// Record is one thing that happened on a line.
type Record struct {
	At   time.Duration // since the recorder was made, in whole microseconds
	Kind Kind

	Device  string  // FrameSent: who was asked
	Bytes   []byte  // FrameSent, BytesReceived; Ended: the answer
	Outcome Outcome // Ended
	Bad     int     // Ended: damaged frames dropped
	Foreign int     // Ended: sound but foreign frames dropped
	Over    int     // Ended: bytes that were neither when it ended
	Echo    bool    // LineIs: the line is configured to return what is sent
	Text    string  // LineIs: its name; PortOpened: the port; PortLost: why; Ended: what the asker was told, empty if no error
}

// Recorder is the flight recorder of one line: it keeps what passed over it in the last ten minutes, in memory. It may be
// read while the line is in use.
type Recorder struct {
	began time.Time

	mu     sync.Mutex
	line   Record
	blocks []*block // oldest first
}

// block is a stretch of records, each encoded against the one before.
type block struct {
	first, last time.Duration
	data        []byte
}

// NewRecorder returns an empty recorder. Its records count time from now. It belongs to one bus.
func NewRecorder() *Recorder {
	return &Recorder{began: time.Now(), line: Record{Kind: LineIs}}
}

// Records returns what is kept, oldest first; LineIs comes first. The caller owns it.
func (r *Recorder) Records() []Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := []Record{r.line}
	oldest := time.Since(r.began) - recordFor
	for _, b := range r.blocks {
		if b.last < oldest {
			continue
		}
		at := b.first
		for data := b.data; len(data) > 0; {
			var one Record
			one, data = decodeRecord(data)
			at += one.At
			one.At = at
			if at >= oldest {
				all = append(all, one)
			}
		}
	}
	if len(all) > 1 {
		all[0].At = all[1].At
	}
	return all
}

// is says which line is recorded.
func (r *Recorder) is(c Config) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.line.Text, r.line.Echo = bounded(c.Name), c.Echo
}

// add keeps one record that happened at. It copies what it keeps; a nil recorder keeps nothing.
func (r *Recorder) add(at time.Time, one Record) {
	if r == nil {
		return
	}
	since := max(0, at.Sub(r.began).Truncate(time.Microsecond))
	one.Device, one.Text = bounded(one.Device), bounded(one.Text)
	one.Bytes = one.Bytes[:min(len(one.Bytes), maxInput)]
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.room(since, len(one.Device)+len(one.Text)+len(one.Bytes)+64)
	one.At = since - b.last
	b.data = appendRecord(b.data, one)
	b.last = since
}

// room returns the block with room for n bytes more, and lets go what is too much. Whoever calls it holds mu.
func (r *Recorder) room(since time.Duration, n int) *block {
	if last := len(r.blocks) - 1; last >= 0 {
		if b := r.blocks[last]; len(b.data)+n <= cap(b.data) {
			return b
		}
	}
	gone := 0
	for gone < len(r.blocks) && (len(r.blocks)-gone >= recordMost/blockSize || r.blocks[gone].last < since-recordFor) {
		gone++
	}
	r.blocks = slices.Delete(r.blocks, 0, gone)
	b := &block{first: since, last: since, data: make([]byte, 0, blockSize)}
	r.blocks = append(r.blocks, b)
	return b
}

func bounded(s string) string { return s[:min(len(s), maxText)] }

// appendRecord encodes one record, whose time is that since the one before.
func appendRecord(dst []byte, r Record) []byte {
	put := func(s string) { dst = append(binary.AppendUvarint(dst, uint64(len(s))), s...) }
	raw := func(b []byte) { dst = append(binary.AppendUvarint(dst, uint64(len(b))), b...) }
	dst = append(dst, byte(r.Kind))
	dst = binary.AppendVarint(dst, int64(r.At/time.Microsecond))
	switch r.Kind {
	case PortOpened, PortLost:
		put(r.Text)
	case FrameSent:
		put(r.Device)
		raw(r.Bytes)
	case BytesReceived:
		raw(r.Bytes)
	case Ended:
		dst = append(dst, byte(r.Outcome))
		for _, n := range [...]int{r.Bad, r.Foreign, r.Over} {
			dst = binary.AppendUvarint(dst, uint64(n))
		}
		raw(r.Bytes)
		put(r.Text)
	}
	return dst
}

// decodeRecord reads what appendRecord wrote, and returns what follows.
func decodeRecord(b []byte) (Record, []byte) {
	number := func() int {
		n, used := binary.Uvarint(b)
		b = b[used:]
		return int(n)
	}
	get := func() string {
		n := number()
		s := string(b[:n])
		b = b[n:]
		return s
	}
	r := Record{Kind: Kind(b[0])}
	since, used := binary.Varint(b[1:])
	b = b[1+used:]
	r.At = time.Duration(since) * time.Microsecond
	switch r.Kind {
	case PortOpened, PortLost:
		r.Text = get()
	case FrameSent:
		r.Device = get()
		r.Bytes = []byte(get())
	case BytesReceived:
		r.Bytes = []byte(get())
	case Ended:
		r.Outcome = Outcome(b[0])
		b = b[1:]
		r.Bad, r.Foreign, r.Over = number(), number(), number()
		if answer := get(); answer != "" {
			r.Bytes = []byte(answer)
		}
		r.Text = get()
	}
	return r, b
}
