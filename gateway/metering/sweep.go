package metering

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/metering/rules"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// sweep is what one round over all meters got, in the order of the configuration.
type sweep struct {
	id    string // unique in this store: boot, and milliseconds since it
	began time.Time
	reads []read
}

// read is what the last try got from a meter, and when.
type read struct {
	meter Meter
	seen  rules.Seen
	at    clock.Reading
}

// begin starts a sweep, unless the one before is still under way.
func (s *Service) begin(ctx context.Context) {
	if s.sweeping {
		if !s.late {
			s.deps.Log.Warn("meters cannot be read as often as asked", "every", s.config.Every)
		}
		s.late = true
		return
	}
	s.sweeping = true
	now := s.deps.Clock.Now()
	done := sweep{id: fmt.Sprintf("%d-%d", now.Boot, now.Mono.Milliseconds()), began: time.Now(), reads: make([]read, len(s.config.Meters))}
	known := maps.Clone(s.states)
	s.hands.Go(func() {
		lines := map[string][]*read{}
		for i, m := range s.config.Meters {
			done.reads[i].meter = m
			lines[m.Line] = append(lines[m.Line], &done.reads[i])
		}
		var all sync.WaitGroup
		for _, on := range lines {
			all.Go(func() { s.line(ctx, on, known, done.began.Add(s.config.Every)) })
		}
		all.Wait()
		if ctx.Err() != nil {
			return // not every meter was asked
		}
		select {
		case s.swept <- done:
		case <-ctx.Done():
		}
	})
}

// line asks the meters of one line, one after the other; those that gave no good reading are asked again when the rest
// have been, unless the period is over by then.
func (s *Service) line(ctx context.Context, on []*read, known map[string]rules.State, until time.Time) {
	for try := 1; ; try++ {
		var again []*read
		for _, r := range on {
			if ctx.Err() != nil {
				return
			}
			s.ask(ctx, r, try)
			if _, verdict := rules.Judge(known[r.meter.ID], r.meter.rule(), r.seen, ruled(r.at)); verdict.Quality != wire.ReadingGood {
				again = append(again, r)
			}
		}
		on = again
		wait := backOff << (try - 1)
		if len(on) == 0 || try == maxTries || time.Now().Add(wait).After(until) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait - s.deps.Jitter(wait/2)):
		}
	}
}

// ask reads a meter once.
func (s *Service) ask(ctx context.Context, r *read, try int) {
	limit, cancel := context.WithTimeoutCause(ctx, readLimit, errors.New("reading of the meter took too long"))
	defer cancel()
	got, err := s.deps.Meters[r.meter.ID].Read(limit)
	r.at = s.deps.Clock.Now()
	if err != nil {
		s.deps.Log.Debug("meter not read", "meter", r.meter.ID, "try", try, "err", err)
		r.seen = rules.Seen{Code: errorCode(err), Tries: try}
		return
	}
	r.seen = rules.Seen{Serial: cut(got.Serial, maxSerial), Litres: got.Litres, Range: got.Range, Qmax: got.Qmax, Tries: try}
	for _, flag := range got.Flags[:min(len(got.Flags), maxFlags)] {
		r.seen.Flags = append(r.seen.Flags, cut(flag, maxFlag))
	}
}

func cut(text string, most int) string { return text[:min(len(text), most)] }

func errorCode(err error) string {
	for _, known := range []struct {
		err  error
		code string
	}{
		{drivers.ErrSilent, "silent"}, {drivers.ErrGone, "gone"}, {drivers.ErrRefused, "refused"}, {drivers.ErrValue, "value"},
		{drivers.ErrBusy, "busy"},
	} {
		if errors.Is(err, known.err) {
			return known.code
		}
	}
	return "failed"
}

func ruled(r clock.Reading) rules.Now {
	return rules.Now{Wall: r.Time, Certain: r.Quality != wire.Uncertain, Mono: r.Mono, Boot: r.Boot}
}
