// Package bus owns a serial line or a TCP connection: it carries one request and its answer at a time for every driver on that line.
//
// One goroutine owns the port and decides whose turn it is; one reads the port all the time and one writes to it, so
// that neither a silent device nor a blocked write holds the owner. A driver hands in a frame and a Matcher, which cuts
// its answer out of the bytes that arrive; the bus knows nothing of protocols, but keeps the order (actuation before
// what people see before polling), the gaps between frames, the quiet after a time-out and the counters, and opens the
// port again after it was unplugged. docs/lines.md says what it learns of each device, how often the dead are asked, what
// needs proof and what a recording is.
//
// A port named tcp://host:port is a converter with a serial line behind it or, with Config.Direct, a device of its own. It
// has the same rules and one more: a connection on which an answer never came is closed after the quiet time and opened
// again, at once and without refusing anybody who waits.
//
// The port is read with a driver time-out of 100 ms and timed by Go's own timers: a read that returns nothing is
// "nothing yet", and a read that returns nothing at once is an unplugged adapter.
package bus
