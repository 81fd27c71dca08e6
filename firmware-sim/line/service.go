package line

import (
	"math/rand/v2"
	"slices"
	"time"
)

const (
	maxOutbound  = 64 // answers waiting to be sent; more are dropped
	writeLimit   = 20 * time.Millisecond
	babbleBytes  = 32                     // of one stretch of babble
	babblePause  = 100 * time.Millisecond // between stretches on a stream, which has no wire time
	sampleJitter = 1.0 / 8                // of a bit: how far a receiver's clock may be off
)

// service is one run of Serve; only its goroutine touches it.
type service struct {
	*Wire
	conn Conn
	dev  Device

	inbound []burst // from the host, under way; at is their end
	waiting int     // bytes in inbound
	hostEnd time.Time
	echoes  []burst   // of the host's bytes to itself
	queue   []burst   // answers not begun; at is when they begin
	sending *burst    // what is under way to the host; at is when it began
	ended   time.Time // when the last bit of what was last sent passes
}

// burst is bytes on their way.
type burst struct {
	at       time.Time
	bytes    []byte
	format   Format   // of the host that sent it
	chars    []char   // as the host has them, once they are sent
	sent     int      // of chars
	said     *Meaning // of what no device could explain
	collided bool
}

// next returns how long nothing will happen by itself.
func (s *service) next(now time.Time) time.Duration {
	wait := time.Hour
	until := func(at time.Time) { wait = min(wait, at.Sub(now)) }
	if len(s.inbound) > 0 {
		until(s.inbound[0].at)
	}
	if len(s.echoes) > 0 {
		until(s.echoes[0].due())
	}
	switch {
	case s.sending != nil && s.sending.sent < len(s.sending.chars):
		until(s.sending.due())
	case s.sending != nil:
		until(s.ended)
	default:
		if len(s.queue) > 0 {
			until(s.queue[0].at)
		}
		if s.Faults().babbles() {
			until(s.babbleAt())
		}
	}
	return max(0, wait)
}

// due is when the next character of the burst has passed.
func (b *burst) due() time.Time { return b.at.Add(b.chars[b.sent].at) }

// setting is the format in which the host speaks.
func (s *service) setting() Format {
	if c, ok := s.conn.(setting); ok {
		return c.Setting(s.format)
	}
	return s.format
}

// speaks is the format in which devices speak.
func (f Faults) speaks(line Format) Format {
	if f.Baud > 0 {
		line.Baud = f.Baud
	}
	if f.Parity != "" {
		line.Parity = f.Parity
	}
	return line
}

// time is how long n characters of a format take, which is nothing on a stream.
func (s *service) time(f Format, n int) time.Duration {
	if s.stream {
		return 0
	}
	return f.Time(n)
}

// takeIn puts what the host wrote on the wire: it arrives when its last bit has passed.
func (s *service) takeIn(b []byte, now time.Time) {
	from := now
	if s.hostEnd.After(now) {
		from = s.hostEnd
	}
	in := burst{bytes: b, format: s.setting()}
	s.hostEnd = from.Add(s.time(in.format, len(b)))
	s.occupy(from, s.hostEnd)
	in.at = s.hostEnd
	if s.sending != nil && !s.stream {
		in.collided, s.sending.collided = true, true
	}
	if s.Faults().Echo {
		chars := make([]char, len(b))
		for i := range b {
			chars[i] = char{b: b[i], at: s.time(in.format, i+1)}
		}
		s.echoes = append(s.echoes, burst{at: from, bytes: b, chars: chars})
	}
	s.inbound, s.waiting = append(s.inbound, in), s.waiting+len(b)
}

func (s *service) step(now time.Time) {
	for len(s.echoes) > 0 && !s.echoes[0].due().After(now) {
		if e := &s.echoes[0]; s.write(e, now) {
			s.log.Append(Entry{At: now, Line: s.name, ToHost: true, Bytes: e.bytes, Meaning: Meaning{ZH: "電腦自己的回音", EN: "the host's own echo"}})
			s.echoes = s.echoes[1:]
		}
	}
	for len(s.inbound) > 0 && !s.inbound[0].at.After(now) {
		in := s.inbound[0]
		s.inbound, s.waiting = s.inbound[1:], s.waiting-len(in.bytes)
		s.deliver(in)
	}
	if s.sending == nil && len(s.queue) > 0 && !s.queue[0].at.After(now) {
		s.begin(now)
	}
	if s.sending == nil && s.Faults().babbles() && !s.babbleAt().After(now) {
		s.babble(now)
	}
	if s.sending != nil {
		s.send(now)
	}
}

// deliver hands one burst to the device and queues what it answers.
func (s *service) deliver(in burst) {
	faults := s.Faults()
	if faults.Cut {
		return
	}
	bytes := s.arrives(in, faults)
	if len(bytes) == 0 {
		return
	}
	for _, h := range s.dev.Hear(bytes, in.at) {
		s.log.Append(Entry{At: in.at, Line: s.name, Bytes: h.Bytes, Meaning: collision(h.Meaning, in.collided)})
		at := in.at
		for _, a := range h.Answers {
			at = at.Add(a.After)
			if late := s.draw(faults.delay); !faults.Silence && len(s.queue) < maxOutbound {
				s.queue = append(s.queue, burst{at: at.Add(late), bytes: slices.Clone(a.Bytes)})
			}
			at = at.Add(s.time(faults.speaks(s.format), len(a.Bytes)))
		}
	}
	slices.SortStableFunc(s.queue, func(a, b burst) int { return a.at.Compare(b.at) })
}

// arrives is what a device hears of what the host sent.
func (s *service) arrives(in burst, faults Faults) []byte {
	if s.stream {
		return in.bytes
	}
	chars := s.carried(in.bytes, in.format, faults.speaks(s.format), faults.Swapped)
	if m, ok := unheard(in.format, faults.speaks(s.format), faults.Swapped); ok {
		s.log.Append(Entry{At: in.at, Line: s.name, Bytes: in.bytes, Meaning: m})
		chars = slices.DeleteFunc(chars, func(c char) bool { return c.bad }) // a device drops what its port calls wrong
	}
	if faults.Swapped {
		s.fallBack(in.at)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	bytes := bytesOf(faults.spoil(s.random, chars))
	if in.collided {
		for i := range bytes {
			bytes[i] = another(s.random, bytes[i])
		}
	}
	return bytes
}

// carried is b as a receiver has it.
func (s *service) carried(b []byte, from, to Format, swapped bool) []char {
	if s.stream {
		out := make([]char, len(b))
		for i := range b {
			out[i].b = b[i]
		}
		return out
	}
	if to.hears(from) && !swapped {
		return from.clean(b)
	}
	s.mu.Lock()
	early := (s.random.Float64() - 0.5) * sampleJitter
	s.mu.Unlock()
	return to.sampled(b, from, early, swapped)
}

// unheard says why a host and its devices do not understand each other, if they do not.
func unheard(host, devices Format, swapped bool) (Meaning, bool) {
	switch {
	case swapped:
		return Meaning{ZH: "A、B 線接反，裝置聽不懂", EN: "A and B are swapped: no device understands it", Bad: true}, true
	case devices.hears(host):
		return Meaning{}, false
	}
	return Meaning{
		ZH:  "電腦用 " + host.String() + "，線路是 " + devices.String() + "，彼此聽不懂",
		EN:  "host speaks " + host.String() + ", line is " + devices.String() + ": neither understands the other",
		Bad: true,
	}, true
}

// fallBack queues what the host hears when it stops speaking on swapped wires.
func (s *service) fallBack(at time.Time) {
	s.mu.Lock()
	b := hum(s.random)
	s.mu.Unlock()
	if len(b) > 0 && len(s.queue) < maxOutbound {
		s.queue = append(s.queue, burst{at: at, bytes: b, said: &Meaning{ZH: "A、B 線接反的雜音", EN: "noise of swapped wires", Bad: true}})
	}
}

// draw draws a delay.
func (s *service) draw(f func(*rand.Rand) time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return f(s.random)
}

// begin starts to send the first answer of the queue. It began when its time had come, though now is a little later: a
// device does not wait for the machine that plays it.
func (s *service) begin(now time.Time) {
	b := s.queue[0]
	s.queue = s.queue[1:]
	faults := s.Faults()
	switch {
	case faults.Cut:
		return
	case faults.Babble:
		s.lost(b, now, "被一直說話的裝置蓋掉", "lost in the babble")
		return
	case b.at.Before(s.ended):
		b.at = s.ended
	}
	s.mu.Lock()
	b.bytes = faults.truncate(s.random, b.bytes)
	gone := s.stream && faults.loses(s.random, len(b.bytes))
	twice := s.stream && chance(s.random, faults.Double)
	s.mu.Unlock()
	if gone {
		s.lost(b, now, "在雜訊中遺失", "lost in the noise")
		return
	}
	if twice {
		b.bytes = slices.Concat(b.bytes, b.bytes)
	}
	s.start(b, faults)
}

// lost notes an answer that does not reach the host.
func (s *service) lost(b burst, now time.Time, zh, en string) {
	s.log.Append(Entry{At: now, Line: s.name, ToHost: true, Bytes: b.bytes, Meaning: s.dev.Explain(b.bytes).put(zh, en)})
}

// start puts a burst on the wire to the host.
func (s *service) start(b burst, faults Faults) {
	if len(s.inbound) > 0 && !s.stream {
		b.collided = true
		for i := range s.inbound {
			s.inbound[i].collided = true
		}
	}
	devices, host := faults.speaks(s.format), s.setting()
	s.ended = b.at.Add(s.time(devices, len(b.bytes)))
	s.occupy(b.at, s.ended)
	b.chars = s.carried(b.bytes, devices, host, faults.Swapped && b.said == nil)
	if !s.stream {
		if m, ok := unheard(host, devices, false); ok && b.said == nil {
			b.said = &m
		}
		s.mu.Lock()
		b.chars = faults.spoil(s.random, b.chars)
		s.mu.Unlock()
		b.bytes = bytesOf(b.chars)
	}
	s.sending = &b
}

// babbleAt is when the next stretch of babble begins.
func (s *service) babbleAt() time.Time {
	if s.stream {
		return s.ended.Add(babblePause)
	}
	return s.ended
}

// babble starts a stretch of talk that nobody asked for.
func (s *service) babble(now time.Time) {
	b := burst{at: s.babbleAt(), bytes: make([]byte, babbleBytes), said: &Meaning{ZH: "有裝置一直說話", EN: "a device talks all the time", Bad: true}}
	if now.Sub(b.at) > writeLimit { // it was quiet
		b.at = now
	}
	s.mu.Lock()
	for i := range b.bytes {
		b.bytes[i] = byte(s.random.IntN(256))
	}
	s.mu.Unlock()
	s.start(b, Faults{})
}

// send writes the characters whose time has passed. What the host does not take in time is lost, as on a wire.
func (s *service) send(now time.Time) {
	b := s.sending
	if s.write(b, now) && !s.ended.After(now) {
		s.sending = nil
		s.log.Append(Entry{At: now, Line: s.name, ToHost: true, Bytes: b.bytes, Meaning: collision(s.meaning(b), b.collided)})
	}
}

func (s *service) meaning(b *burst) Meaning {
	if b.said != nil {
		return *b.said
	}
	return s.dev.Explain(b.bytes)
}

// write writes what is due of a burst and reports whether that was the last of it.
func (s *service) write(b *burst, now time.Time) (last bool) {
	from := b.sent
	for b.sent < len(b.chars) && !b.due().After(now) {
		b.sent++
	}
	if b.sent > from {
		out := bytesOf(b.chars[from:b.sent])
		if b.collided {
			s.mu.Lock()
			for i := range out {
				out[i] = another(s.random, out[i])
			}
			s.mu.Unlock()
			copy(b.bytes[from:], out)
		}
		_ = s.conn.SetWriteDeadline(time.Now().Add(writeLimit))
		_, _ = s.conn.Write(out)
	}
	return b.sent == len(b.chars)
}

func collision(m Meaning, collided bool) Meaning {
	if collided {
		return m.put("兩邊同時說話", "both spoke at once")
	}
	return m
}
