package gas

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/identity"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

const (
	maxList = 200 + 1 // of one list: a page, and the row that tells that there is more
	hour    = int64(time.Hour / time.Microsecond)
)

// CubicMetres is a total in 度: whole ones, as a dial's black digits show them.
func CubicMetres(litres int64) int64 { return litres / 1000 }

// Reading is one reading of a meter.
type Reading struct {
	Gateway  string
	Meter    string
	Unit     string      // the unit's id; empty: the meter is on no list
	Litres   int64       // as it was seen; of a bad one: the last good total
	Quality  string      // wire.ReadingGood, …
	Code     string      // of a bad one: why
	Rollover bool        // the counter has begun again
	Flags    []string    // the meter's status bits
	Observed wire.Micros // the best estimate; between Earliest and Latest
	Earliest wire.Micros
	Latest   wire.Micros
	Received wire.Micros // by the cloud's clock
	Last     *wire.Good  // the last good one before it
	Pos      int64       // in the log: with Observed a place in a list
}

// Certain tells whether the gateway knew the time.
func (r Reading) Certain() bool { return r.Earliest == r.Latest }

// Filter says which readings are listed. Site is never empty.
type Filter struct {
	Site   string
	Stays  []identity.Stay // nil: of the whole site
	Before wire.Micros     // with BeforePos: only what comes after this place in the list
	Pos    int64
	Limit  int // 0 means 201, which is the most
}

// clause builds a condition with its arguments.
type clause struct{ args []any }

func (c *clause) arg(v any) string {
	c.args = append(c.args, v)
	return fmt.Sprintf("$%d", len(c.args))
}

// quality is a reading's, as the list of meters lets it count: only a reading of the meter on the list is good.
const quality = `CASE WHEN r.quality = 'good' AND r.serial <> '' AND m.serial <> '' AND LTRIM(r.serial, '0') <> LTRIM(m.serial, '0')
	THEN 'identity_mismatch' ELSE r.quality END`

// listed joins a reading to the meter on the list when it was seen.
const listed = `m.gateway = r.gateway AND m.id = r.meter AND m.starts <= r.observed AND (m.ends = 0 OR m.ends > r.observed)`

const columns = `r.gateway, r.meter, COALESCE(m.unit, ''), r.litres, ` + quality + `, r.code, r.rollover, r.flags, r.observed, r.earliest, r.latest,
	r.received, r.good_litres, r.good_at, r.pos`

// during is the condition that a reading was seen during a stay in the unit of its meter.
func (c *clause) during(s identity.Stay) string {
	where := fmt.Sprintf("m.unit = %s AND r.earliest >= %s", c.arg(s.Unit), c.arg(int64(s.From)))
	if s.Until > 0 {
		where += " AND r.latest < " + c.arg(int64(s.Until))
	}
	return "(" + where + ")"
}

// List gives the readings of a filter, newest first.
func List(ctx context.Context, tx *store.Tx, f Filter) ([]Reading, error) {
	if f.Stays != nil && len(f.Stays) == 0 {
		return nil, nil
	}
	var c clause
	where := []string{"r.site = " + c.arg(f.Site)}
	if f.Stays != nil {
		var any []string
		for _, s := range f.Stays {
			any = append(any, c.during(s))
		}
		where = append(where, "("+strings.Join(any, " OR ")+")")
	}
	if f.Before > 0 {
		where = append(where, fmt.Sprintf("(r.observed, r.pos) < (%s, %s)", c.arg(int64(f.Before)), c.arg(f.Pos)))
	}
	limit := f.Limit
	if limit <= 0 || limit > maxList {
		limit = maxList
	}
	rows, err := tx.Query(ctx, `SELECT `+columns+` FROM gas_readings r LEFT JOIN gas_meters m ON `+listed+`
		WHERE `+strings.Join(where, " AND ")+` ORDER BY r.observed DESC, r.pos DESC LIMIT `+c.arg(limit), c.args...)
	if err != nil {
		return nil, fmt.Errorf("readings of site %s: %w", f.Site, err)
	}
	all, err := store.Collect(rows, scanReading)
	for i := range all {
		all[i].forget(f.Stays)
	}
	return all, err
}

// forget drops what was before the stays: a bad reading repeats the last good total, which may be of another household.
func (r *Reading) forget(stays []identity.Stay) {
	if stays == nil || r.Last == nil {
		return
	}
	for _, s := range stays {
		if s.Unit == r.Unit && r.Last.At >= s.From {
			return
		}
	}
	r.Last = nil
	if r.Quality == wire.ReadingBad {
		r.Litres = 0
	}
}

// State is how a meter on the list stands.
type State struct {
	Meter
	Newest *Reading   // nil: never read
	Good   *wire.Good // the newest one that counts; nil: none yet
}

// States gives how the meters of a site that are in use now stand, by id.
func States(ctx context.Context, tx *store.Tx, site string, now time.Time) ([]State, error) {
	return states(ctx, tx, site, nil, now)
}

// During gives how the meters of a stay stand, from its readings alone.
func During(ctx context.Context, tx *store.Tx, site string, s identity.Stay, now time.Time) ([]State, error) {
	return states(ctx, tx, site, &s, now)
}

func states(ctx context.Context, tx *store.Tx, site string, stay *identity.Stay, now time.Time) ([]State, error) {
	var c clause
	at := c.arg(now.UnixMicro())
	where := fmt.Sprintf("site = %s AND starts <= %s AND (ends = 0 OR ends > %s)", c.arg(site), at, at)
	if stay != nil {
		where += " AND unit = " + c.arg(stay.Unit)
	}
	rows, err := tx.Query(ctx, `SELECT gateway, id, unit, serial, starts FROM gas_meters WHERE `+where+` ORDER BY id, gateway`, c.args...)
	if err != nil {
		return nil, fmt.Errorf("meters of site %s: %w", site, err)
	}
	all, err := store.Collect(rows, func(r *sql.Rows) (s State, err error) {
		err = r.Scan(&s.Gateway, &s.ID, &s.Unit, &s.Serial, &s.From)
		return s, err
	})
	for i := range all {
		if err == nil {
			err = all[i].read(ctx, tx, stay)
		}
	}
	return all, err
}

// read looks for the newest reading, and for the newest that counts, in the order of the log.
func (s *State) read(ctx context.Context, tx *store.Tx, stay *identity.Stay) error {
	newest := func(good bool) ([]Reading, error) {
		var c clause
		where := []string{"r.gateway = " + c.arg(s.Gateway), "r.meter = " + c.arg(s.ID), "m.starts = " + c.arg(int64(s.From))}
		if stay != nil {
			where = append(where, c.during(*stay))
		}
		if good {
			where = append(where, quality+" = 'good'")
		}
		rows, err := tx.Query(ctx, `SELECT `+columns+` FROM gas_readings r JOIN gas_meters m ON `+listed+`
			WHERE `+strings.Join(where, " AND ")+` ORDER BY r.epoch DESC, r.segment DESC, r.seq DESC LIMIT 1`, c.args...)
		if err != nil {
			return nil, fmt.Errorf("meter %s: %w", s.ID, err)
		}
		return store.Collect(rows, scanReading)
	}
	all, err := newest(false)
	if err != nil || len(all) == 0 {
		return err
	}
	s.Newest = &all[0]
	if stay != nil {
		s.Newest.forget([]identity.Stay{*stay})
	}
	if s.Newest.Quality != wire.ReadingGood {
		if all, err = newest(true); err != nil || len(all) == 0 {
			return err
		}
	}
	s.Good = &wire.Good{Litres: all[0].Litres, At: all[0].Observed}
	return nil
}

// Hour is what a meter said within one hour of the clock.
type Hour struct {
	Begin       wire.Micros
	First, Last int64 // litres
	Reads       int64
}

// Hours gives the hours since from in which a meter was read well during a stay, oldest first; one that was seen with an
// uncertain clock is in none.
func Hours(ctx context.Context, tx *store.Tx, m Meter, s identity.Stay, from time.Time) ([]Hour, error) {
	var c clause
	where := []string{
		"r.gateway = " + c.arg(m.Gateway), "r.meter = " + c.arg(m.ID), "r.observed >= " + c.arg(from.UnixMicro()), "r.earliest = r.latest",
		c.during(s), quality + " = 'good'",
	}
	rows, err := tx.Query(ctx, fmt.Sprintf(`SELECT r.observed / %d AS h, MIN(r.litres), MAX(r.litres), COUNT(*) FROM gas_readings r JOIN gas_meters m ON %s
		WHERE %s GROUP BY r.observed / %d ORDER BY h`, hour, listed, strings.Join(where, " AND "), hour), c.args...)
	if err != nil {
		return nil, fmt.Errorf("meter %s: %w", m.ID, err)
	}
	return store.Collect(rows, func(r *sql.Rows) (h Hour, err error) {
		var n int64
		err = r.Scan(&n, &h.First, &h.Last, &h.Reads)
		h.Begin = wire.Micros(n * hour)
		return h, err
	})
}

func scanReading(rows *sql.Rows) (r Reading, err error) {
	var rollover int64
	var flags string
	var good wire.Good
	err = rows.Scan(&r.Gateway, &r.Meter, &r.Unit, &r.Litres, &r.Quality, &r.Code, &rollover, &flags, &r.Observed, &r.Earliest, &r.Latest,
		&r.Received, &good.Litres, &good.At, &r.Pos)
	if err != nil {
		return r, err
	}
	r.Rollover = rollover != 0
	if good.At != 0 {
		r.Last = &good
	}
	return r, json.Unmarshal([]byte(flags), &r.Flags)
}
