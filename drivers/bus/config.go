package bus

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The bounds of a bus. What a configuration may change names its zero meaning in Config.
const (
	maxFrame   = 256                    // bytes of a request; writes stay short
	maxInput   = 1024                   // bytes kept while a Matcher wants more
	maxTimeout = 10 * time.Second       // of one request
	maxDevices = 512                    // names of which something is known; the rest is counted as "other"
	maxOwed    = 8                      // sources whose late answers may be owed while an actuation goes ahead of them
	stall      = 60 * time.Millisecond  // and 4 characters: an answer that stood still so long is broken off
	echoRetry  = 5 * time.Second        // until a line that returned what was sent is asked again whether it does
	napMost    = time.Millisecond       // of silence that is waited for by Nap, where a port has it
	maxSettle  = 100 * time.Millisecond // waiting for a babbling line to pause before a request goes out all the same
	writeLimit = time.Second            // for a write; a port that takes longer is closed and opened again
	stopLimit  = 2 * time.Second        // for the port's goroutines to end when the bus stops
	backoffMin = 100 * time.Millisecond // before the first attempt to open the port again
	backoffMax = 2 * time.Second        // between later attempts: what is plugged in is in service within 3 s
)

// bauds are the rates offered by every adapter.
var bauds = [...]int{1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200}

// Parity of a character on the line.
type Parity byte

// The parities. The zero value is none.
const (
	ParityNone Parity = iota
	ParityEven
	ParityOdd
)

// Config describes one line.
type Config struct {
	Name     string        // of the line, for errors and logs
	Ports    []string      // candidates, tried anew at each open: paths, globs (/dev/serial/by-id/*) or tcp://host:port; the first that opens is taken
	Baud     int           // 0 means 19200; of a converter on TCP: that of the line behind it
	Parity   Parity        // of each character
	StopBits int           // 1 or 2; 0 means 1
	Gap      time.Duration // least silence before a request; 0 means 3.5 characters, at least 2ms; none when Direct
	Lateness time.Duration // worst time from a request to its answer, for requests that name none; 0 means 1s
	Queue    int           // requests waiting in each priority; 0 means 64
	Echo     bool          // the adapter returns what was sent: read it back and compare
	Direct   bool          // the device itself ends the TCP connection (Modbus TCP): there is no baud to wait for, and no gap
}

// Validate names every fault of the configuration, one line each.
func (c Config) Validate() error {
	var faults []error
	if len(c.Ports) == 0 {
		faults = append(faults, errors.New("port: none given; name a path such as /dev/serial/by-id/usb-…"))
	}
	for _, p := range c.Ports {
		if err := c.validPort(p); err != nil {
			faults = append(faults, fmt.Errorf("port: %s: %w", p, err))
		}
	}
	if c.Baud != 0 && !slices.Contains(bauds[:], c.Baud) {
		faults = append(faults, fmt.Errorf("baud: %d is no standard rate; use one of %v", c.Baud, bauds))
	}
	if c.StopBits < 0 || c.StopBits > 2 {
		faults = append(faults, fmt.Errorf("stop bits: %d; use 1 or 2", c.StopBits))
	}
	if c.Gap < 0 || c.Gap > maxSettle {
		faults = append(faults, fmt.Errorf("gap: %v; use 0 to %v", c.Gap, maxSettle))
	}
	if c.Lateness < 0 || c.Lateness > maxTimeout {
		faults = append(faults, fmt.Errorf("lateness: %v; use 0 to %v", c.Lateness, maxTimeout))
	}
	if c.Queue < 0 || c.Queue > 1024 {
		faults = append(faults, fmt.Errorf("queue: %d; use 0 to 1024", c.Queue))
	}
	return errors.Join(faults...)
}

// validPort says what is wrong with one candidate.
func (c Config) validPort(path string) error {
	address, network := strings.CutPrefix(path, tcpScheme)
	if !network {
		if c.Direct {
			return errors.New("a device on a serial line is not direct; name it as tcp://host:port, or leave direct out")
		}
		return nil
	}
	host, port, err := net.SplitHostPort(address)
	if n, e := strconv.ParseUint(port, 10, 16); err != nil || host == "" || e != nil || n == 0 {
		return errors.New("name it as tcp://host:port, such as tcp://192.168.1.200:502")
	}
	return nil
}

// withDefaults returns c with every zero replaced by its meaning.
func (c Config) withDefaults() Config {
	if c.Baud == 0 {
		c.Baud = 19200
	}
	if c.StopBits == 0 {
		c.StopBits = 1
	}
	if c.Gap == 0 && !c.Direct {
		c.Gap = max(c.bits(silenceBits), leastGap)
	}
	if c.Lateness == 0 {
		c.Lateness = time.Second
	}
	if c.Queue == 0 {
		c.Queue = 64
	}
	return c
}

// The silence before a request: 3.5 characters, which RTU counts with 11 bits whatever the format, since a device that
// waits so long would miss the end of a frame after less.
const (
	silenceBits = 3.5 * 11
	leastGap    = 2 * time.Millisecond
)

// bits is how long n bits take on the line.
func (c Config) bits(n float64) time.Duration {
	return time.Duration(n * float64(time.Second) / float64(c.Baud))
}

// wire is how long n characters take on the line: a start bit, eight bits, parity and stop bits each.
func (c Config) wire(n int) time.Duration {
	if c.Direct {
		return 0
	}
	each := 1 + 8 + c.StopBits
	if c.Parity != ParityNone {
		each++
	}
	return c.bits(float64(n * each))
}

// Dir is the direction of bytes on the line.
type Dir bool

// The directions.
const (
	In  Dir = false // from a device
	Out Dir = true  // to a device
)

// Deps is what a bus is given. The zero value works.
type Deps struct {
	// Open opens one candidate port; nil means Open of this package. Read must return after at most about 100 ms, with
	// nothing when nothing came. A port that has Flush() error is flushed after opening and after each quiet time; one that has
	// Nap(time.Duration), for at most a millisecond, is asked for the last of the silence before a frame.
	Open func(path string, c Config) (io.ReadWriteCloser, error)
	// Log receives changes of the port's state; nil means slog.Default.
	Log *slog.Logger
	// Jitter changes the waits between attempts to open the port; nil means none.
	Jitter func(time.Duration) time.Duration
	// Observe sees all bytes as they pass, in order, from the owner's goroutine; it must not block or keep b. May be nil.
	Observe func(at time.Time, dir Dir, b []byte)
	// Recorder keeps what passes over the line and what the bus concluded of it. It serves one bus. May be nil.
	Recorder *Recorder
}

// withDefaults returns d with every nil replaced by its meaning.
func (d Deps) withDefaults() Deps {
	if d.Open == nil {
		d.Open = Open
	}
	if d.Log == nil {
		d.Log = slog.Default()
	}
	if d.Jitter == nil {
		d.Jitter = func(d time.Duration) time.Duration { return d }
	}
	if d.Observe == nil {
		d.Observe = func(time.Time, Dir, []byte) {}
	}
	return d
}

// backoff is how long to wait before attempt try (from 0) to open the port again.
func backoff(try int, jitter func(time.Duration) time.Duration) time.Duration {
	d := backoffMax
	if try < 5 {
		d = min(backoffMin<<try, backoffMax)
	}
	return max(0, min(jitter(d), backoffMax))
}
