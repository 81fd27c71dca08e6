package gas

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/ntpc-smart-community/lobby/cloud/ingest"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Projection keeps every reading.
type Projection struct{}

var (
	_ ingest.Projection = Projection{}
	_ ingest.Resetter   = Projection{}
)

// Name is what alarms call it.
func (Projection) Name() string { return "gas" }

// Reset empties the table that the log can fill again.
func (Projection) Reset(ctx context.Context, tx *store.Tx) error {
	_, err := tx.Exec(ctx, `DELETE FROM gas_readings`)
	return err
}

// Project takes in one event.
func (Projection) Project(ctx context.Context, tx *store.Tx, l ingest.Logged) error {
	meter, ok := strings.CutPrefix(l.Event.Subject, "meter/")
	if !ok || l.Event.Type != wire.MeterRead || l.First.Stream != wire.Telemetry {
		return nil
	}
	var r wire.Reading
	if json.Unmarshal(l.Event.Data, &r) != nil { // its text could echo what was sent
		return fmt.Errorf("meter %.80s: reading: %w", meter, wire.ErrFormat)
	}
	var good wire.Good
	if r.Last != nil {
		good = *r.Last
	}
	if r.Flags == nil {
		r.Flags = []string{}
	}
	flags, err := json.Marshal(r.Flags)
	if err != nil {
		return fmt.Errorf("meter %.80s: %w", meter, err)
	}
	rollover := 0
	if r.Rollover {
		rollover = 1
	}
	observed, earliest, latest := when(l, r)
	_, err = tx.Exec(ctx, `INSERT INTO gas_readings (gateway, epoch, segment, seq, pos, site, meter, sweep, observed, earliest, latest, received,
		litres, serial, quality, code, rollover, good_litres, good_at, flags)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
		ON CONFLICT (gateway, epoch, segment, seq) DO NOTHING`,
		l.Gateway, int64(l.First.Epoch), int64(l.First.Segment), int64(l.First.Seq), l.Pos, l.Site, meter, r.Sweep, int64(observed), int64(earliest),
		int64(latest), l.Received.UnixMicro(), r.Litres, r.Serial, r.Quality, r.Code, rollover, good.Litres, int64(good.At), string(flags))
	if err != nil {
		return fmt.Errorf("meter %.80s: %w", meter, err)
	}
	return nil
}

// when says when a reading was seen. Where the gateway's clock was uncertain, it was after the last good reading and before
// it came here.
func when(l ingest.Logged, r wire.Reading) (observed, earliest, latest wire.Micros) {
	observed = l.Event.Wall
	if l.Event.Clock != wire.Uncertain && r.Until == 0 {
		return observed, observed, observed
	}
	latest = wire.At(l.Received)
	if r.Until > 0 {
		latest = min(latest, r.Until)
	}
	if r.Last != nil {
		earliest = min(r.Last.At, latest)
	}
	return max(earliest, min(observed, latest)), earliest, latest
}
