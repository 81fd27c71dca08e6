package bus

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
)

// What is learned of devices, and what the dead among them may cost.
const (
	leastLimit = 20 * time.Millisecond  // learned time-out: USB adapters deliver in bursts of 16 ms
	usualTurns = 3                      // learned time-out, in usual turnarounds, where those vary little
	deadAfter  = 3                      // time-outs in a row
	probeAway  = 3                      // to a dead device's next probe: a third of the time that it has been away,
	probeMin   = 900 * time.Millisecond // at least (a poll each second is the usual): one that was away for seconds is found within three,
	probeMax   = time.Minute            // and at most
	probePart  = 200                    // all probes of a line get one part in so many of its time: 0.5 %
	probeBurst = 10 * time.Second       // and so much at once, after a time without any
	probeLone  = 5 * time.Second        // at most, where nobody answers whom probes could hold up; and they cost nothing then
	together   = time.Minute            // devices that fell silent within it of each other may come back together
	grace      = 30 * time.Millisecond  // after the time-out of a living device, in which nobody speaks: its answer is under way
)

// ErrResting is drivers.ErrSilent of a device that was not asked: it has been silent for some time, and its next probe is
// not due. It is no further time-out.
var ErrResting = fmt.Errorf("%w for some time", drivers.ErrSilent)

// turnaround learns how long a device takes to its answer's first byte, as TCP learns a round trip (RFC 6298).
type turnaround struct {
	usual, spread time.Duration
	missed        uint // time-outs since the last answer in time: each doubles the limit (Karn), until one is measured again
}

// learn takes an answer that came in time.
func (t *turnaround) learn(turn time.Duration) {
	if t.usual == 0 {
		t.usual, t.spread = turn, turn/2
	} else {
		t.spread += ((t.usual - turn).Abs() - t.spread) / 4
		t.usual += (turn - t.usual) / 8
	}
	t.missed = 0
}

// limit is how long to wait for the answer's first byte, at most most.
func (t *turnaround) limit(most time.Duration) time.Duration {
	if t.usual == 0 {
		return most
	}
	d := max(leastLimit, usualTurns*t.usual, t.usual+4*t.spread)
	for range min(t.missed, 16) {
		d *= 2
	}
	return min(d, most)
}

// device is what the bus knows of one name.
type device struct {
	turnaround
	rhythm
	counters Counters
	many     bool          // it stands for all that are over the bound
	most     time.Duration // its last request's Timeout
	lastOK   time.Time     // its last good answer
	proven   uint64        // the opening of the port in which it last gave one; 0: none
	silent   int           // time-outs in a row
	since    time.Time     // when the first of them ended
	resting  bool          // it is dead: polls are not sent
	probe    time.Time     // but one from then on
	charged  time.Duration // what the line pays for that
}

// wait is how long to leave a dead device alone from now.
func (d *device) wait(now time.Time) time.Duration {
	return max(probeMin, min(now.Sub(d.since)/probeAway, probeMax))
}

// rhythm learns how often a device is polled. A poll may be several requests.
type rhythm struct {
	period time.Duration
	began  time.Time // the newest poll
}

func (r *rhythm) polled(at time.Time) {
	since := at.Sub(r.began)
	switch {
	case r.began.IsZero():
	case since < r.period/4:
		return // a further request of the same poll
	case r.period == 0:
		r.period = since
	default:
		r.period += (since - r.period) / 4
	}
	r.began = at
}

// devices are all that a line has heard of. Bus.mu guards them.
type devices struct {
	all   map[string]*device
	heard bool      // somebody has answered since the port was lost
	last  time.Time // when somebody did
	noise bool      // nothing but damaged bytes has come since then
	spent time.Time // until when the line's time for probes is spent
}

const others = "other"

// of returns a device by name. What is over the bound is one device of which nothing is learned.
func (ds *devices) of(name string) *device {
	d := ds.all[name]
	if d == nil && len(ds.all) >= maxDevices {
		name = others
		d = ds.all[name]
	}
	if d == nil {
		d = &device{many: name == others}
		ds.all[name] = d
	}
	return d
}

// learn takes what became of x at now: err, or its answer.
func (ds *devices) learn(d *device, x *exchange, err error, now time.Time) {
	switch {
	case err == nil && x.Match != nil:
		// a write is answered by its echo, which an adapter can give as well
		ds.answered(d, x, now, !bytes.Equal(x.answer.Frame, x.Frame))
	case errors.Is(err, drivers.ErrSilent) && x.overdue:
		ds.noise = ds.noise || x.bad > 0
		ds.timedOut(d, x, now)
	case x.probe:
		d.probe = now.Add(d.wait(now)) // it was cut short, and says nothing
	}
}

// answered takes the good answer to x at now. proves tells whether it shows that the device is there.
func (ds *devices) answered(d *device, x *exchange, now time.Time, proves bool) {
	if ds.heard, ds.last = true, now; d.many {
		return
	}
	if x.overdue && !x.stalled {
		d.missed++ // and not learned: one late answer is no news, and when the next is in time it tells more
	} else {
		d.learn(x.answer.Turn)
	}
	if proves {
		d.proven = x.opening
	}
	d.lastOK = now
	back, since := d.resting, d.since
	ds.revive(d)
	if !back {
		return
	}
	for _, o := range ds.all { // what came back may have taken others with it
		if o.resting && o.since.Sub(since).Abs() <= together && now.Before(o.probe) {
			o.probe = now
		}
	}
}

// revive ends a device's rest.
func (ds *devices) revive(d *device) {
	ds.spent = ds.spent.Add(-probePart * d.charged)
	d.silent, d.resting, d.charged = 0, false, 0
}

// timedOut takes the time-out of x at now.
func (ds *devices) timedOut(d *device, x *exchange, now time.Time) {
	if d.many {
		return
	}
	if !x.stalled {
		d.missed++
	}
	d.silent++
	if d.silent == 1 {
		d.since = now
	}
	if d.silent < deadAfter || d.resting && !x.probe {
		return // or it waits for its probe as it did
	}
	d.resting = true
	ds.schedule(d, now, x.end.Sub(x.began))
}

// schedule gives a dead device its next probe, within what all of them may cost the line: the time that is spent runs
// ahead of the clock by what the burst allows and no more.
func (ds *devices) schedule(d *device, now time.Time, cost time.Duration) {
	if ds.spent.Before(now) {
		ds.spent = now
	}
	d.probe = now.Add(d.wait(now))
	if ds.deserted() {
		d.probe, d.charged = now.Add(min(d.wait(now), probeLone)), 0
		return
	}
	if earliest := ds.spent.Add(-probePart * probeBurst); d.probe.Before(earliest) {
		d.probe = earliest
	}
	d.charged = cost
	ds.spent = ds.spent.Add(probePart * cost)
}

// deserted tells whether nobody is left on the line who answers.
func (ds *devices) deserted() bool {
	for _, d := range ds.all {
		if d.silent < deadAfter && !d.lastOK.IsZero() {
			return false
		}
	}
	return true
}

// lost forgets what there was no port to hear.
func (ds *devices) lost() {
	ds.heard, ds.noise = false, false
	for _, d := range ds.all {
		ds.revive(d)
	}
}

// alone tells whether name is the one device that is known, or one that answers is known beside it.
func (ds *devices) alone(name string) bool {
	for other, d := range ds.all {
		if other != name && d.silent == 0 {
			return true
		}
	}
	return len(ds.all) < 2
}

// rest refuses a poll of a dead device whose probe is not due.
func (b *Bus) rest(r *Request) error {
	if r.Priority != Polling {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	d := b.devices.all[r.Device]
	if d == nil || !d.resting || !time.Now().Before(d.probe) {
		return nil
	}
	d.counters.Resting++
	b.stats.Line.Resting++
	return fmt.Errorf("bus %s: %w: not asked again before %s", b.cfg.Name, ErrResting, d.probe.Format(time.TimeOnly))
}

// begin tells x just before its turn how long to wait for its answer, and whether it is the probe of a dead device, which then
// has no other until this one has ended.
func (b *Bus) begin(x *exchange) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := b.devices.of(x.Device)
	d.most = x.Timeout
	if x.probe = x.Priority == Polling && d.resting; x.probe {
		d.probe = time.Now().Add(probeMax)
	}
	x.limit, x.living = d.limit(x.Timeout), !d.resting
}

// proven tells whether r's device has answered since the given opening of the port.
func (b *Bus) proven(r *Request, opening uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := b.devices.all[r.Device]
	return d != nil && d.proven == opening
}

// answeredSince tells whether any device has given a good answer since then.
func (b *Bus) answeredSince(then time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.devices.last.After(then)
}
