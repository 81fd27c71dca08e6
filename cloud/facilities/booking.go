package facilities

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/ntpc-smart-community/lobby/cloud/facilities/rules"
	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// maxList bounds one list: a page of 200, and the row that tells that there is more.
const maxList = 200 + 1

// Booking is one household's slot. Its id is also that of its grant and its ticket.
type Booking struct {
	ID        string
	Site      string
	Facility  string
	Gateway   string
	Door      string
	Once      bool
	Household string
	Person    string // who booked it
	State     rules.State
	Slot      rules.Slot
	Made      wire.Micros
	CheckedIn wire.Micros // by the gateway's clock; 0: not yet, as far as is known
	Revoked   uint64      // version of the gateway's state document that revokes it first; 0: not revoked
	Version   uint64
}

// Tag names this state of the booking, for ETag and If-Match.
func (b Booking) Tag() string { return strconv.FormatUint(b.Version, 10) }

// Admits tells whether its ticket still opens the door, as far as the cloud knows.
func (b Booking) Admits(now time.Time) bool {
	return b.State.Living() && wire.At(now) < b.Slot.Window().To && (!b.Once || b.CheckedIn == 0)
}

// Pending tells whether the booking was cancelled and its door may not have heard of it: until then, or until the end of its
// window, the ticket opens.
func (b Booking) Pending(h fleet.Health, now time.Time) bool {
	return b.Revoked > 0 && h.Applied.Version < b.Revoked && wire.At(now) < b.Slot.Window().To
}

// Wanted is a slot that somebody wants.
type Wanted struct {
	Site      string
	Facility  string
	Household string
	Person    string
	From      wire.Micros
}

// Book books a slot for a household and gives what must be published once the transaction has committed. That the household
// is of the site and the person of the household is the caller's to have checked. Errors: ErrUnknown, Refusal.
func (f *Facilities) Book(ctx context.Context, tx *store.Tx, w Wanted, now time.Time) (Booking, []fleet.Message, error) {
	// One booker of a site at a time: what a household has is counted under the lock.
	if err := f.lock(ctx, tx, w.Site); err != nil {
		return Booking{}, nil, err
	}
	of, err := ByID(ctx, tx, w.Site, w.Facility)
	if err != nil {
		return Booking{}, nil, err
	}
	taken, err := held(ctx, tx, living+` AND site = $1 AND facility = $2`, now, w.Site, w.Facility)
	if err != nil {
		return Booking{}, nil, err
	}
	own, err := held(ctx, tx, living+` AND site = $1 AND household = $2`, now, w.Site, w.Household)
	if err != nil {
		return Booking{}, nil, err
	}
	dropped, err := held(ctx, tx, `NOT `+living+` AND site = $1 AND household = $2`, now, w.Site, w.Household)
	if err != nil {
		return Booking{}, nil, err
	}
	local := now.In(fleet.Taipei())
	slot, rule := of.Judge(w.From, len(own), len(dropped), taken, local)
	switch rule {
	case rules.Free:
	case rules.Limit:
		return Booking{}, nil, refuse(of, rule, w.From, own, taken, local)
	case rules.Often:
		return Booking{}, nil, refuse(of, rule, w.From, dropped, taken, local)
	default:
		return Booking{}, nil, refuse(of, rule, w.From, nil, taken, local)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Booking{}, nil, err
	}
	b := Booking{
		ID: id.String(), Site: w.Site, Facility: of.ID, Gateway: of.Gateway, Door: of.Door, Once: of.Once, Household: w.Household, Person: w.Person,
		State: rules.Confirmed, Slot: slot, Made: wire.At(now), Version: 1,
	}
	free, err := keep(ctx, tx, b)
	if err == nil && !free {
		err = refuse(of, rules.Taken, w.From, nil, append(taken, slot), local)
	}
	if err != nil {
		return Booking{}, nil, err
	}
	out, err := f.fleet.Refresh(ctx, tx, w.Site, now)
	return b, out, err
}

// lock takes the locks that issuing the site's documents takes too, so that they come in one order.
func (f *Facilities) lock(ctx context.Context, tx *store.Tx, site string) error {
	ids, err := f.fleet.GatewayIDs(ctx, tx, site)
	if err == nil {
		_, err = f.fleet.Lock(ctx, tx, ids)
	}
	return err
}

// keep writes a booking down unless somebody has a moment of its slot.
func keep(ctx context.Context, tx *store.Tx, b Booking) (free bool, err error) {
	var n int
	err = tx.QueryRow(ctx, `SELECT COUNT(*) FROM bookings WHERE site = $1 AND facility = $2 AND `+living+` AND starts < $3 AND ends > $4`,
		b.Site, b.Facility, int64(b.Slot.To), int64(b.Slot.From)).Scan(&n)
	if err != nil || n > 0 {
		return false, err
	}
	err = tx.Savepoint(ctx, func() error {
		_, err := tx.Exec(ctx, `INSERT INTO bookings (id, site, facility, gateway, door, once, household, person, state, starts, ends, made, checked_in, revoked, version)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
			b.ID, b.Site, b.Facility, b.Gateway, b.Door, num(b.Once), b.Household, b.Person, string(b.State), int64(b.Slot.From), int64(b.Slot.To),
			int64(b.Made), int64(b.CheckedIn), int64(b.Revoked), int64(b.Version))
		return err
	})
	if tx.Overlaps(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("booking: %w", err)
	}
	return true, nil
}

// living is the condition of a booking that holds its slot.
const living = `state IN ('confirmed', 'checked_in')`

// held are the slots of bookings that are not over.
func held(ctx context.Context, tx *store.Tx, where string, now time.Time, args ...any) ([]rules.Slot, error) {
	args = append(args, now.UnixMicro())
	rows, err := tx.Query(ctx, fmt.Sprintf(`SELECT starts, ends FROM bookings WHERE %s AND ends > $%d ORDER BY starts`, where, len(args)), args...)
	if err != nil {
		return nil, fmt.Errorf("bookings: %w", err)
	}
	return store.Collect(rows, func(r *sql.Rows) (s rules.Slot, err error) { return s, r.Scan(&s.From, &s.To) })
}

// Cancel cancels a booking that stands as tag says, revokes its grant until its end, and gives what must be published once
// the transaction has committed. Errors: ErrUnknown, ErrChanged, ErrState.
func (f *Facilities) Cancel(ctx context.Context, tx *store.Tx, id, tag string, now time.Time) (Booking, []fleet.Message, error) {
	b, err := BookingByID(ctx, tx, id)
	if err != nil {
		return b, nil, err
	}
	if err := f.lock(ctx, tx, b.Site); err != nil {
		return b, nil, err
	}
	if b, err = BookingByID(ctx, tx, id); err != nil {
		return b, nil, err
	}
	if b.Tag() != tag {
		return b, nil, ErrChanged
	}
	to, ok := b.State.Cancel(b.Slot, wire.At(now))
	if !ok {
		return b, nil, ErrState
	}
	b.State, b.Version = to, b.Version+1
	_, err = tx.Exec(ctx, `UPDATE bookings SET state = $1, version = $2 WHERE id = $3`, string(b.State), int64(b.Version), b.ID)
	if err != nil {
		return b, nil, fmt.Errorf("booking %s: %w", b.ID, err)
	}
	if err := f.fleet.Revoke(ctx, tx, b.Site, wire.Revocation{ID: b.ID, Until: b.Slot.Window().To}); err != nil {
		return b, nil, err
	}
	out, err := f.fleet.Refresh(ctx, tx, b.Site, now)
	if err != nil {
		return b, nil, err
	}
	h, err := f.fleet.Health(ctx, tx, b.Gateway)
	if err != nil {
		return b, nil, err
	}
	b.Revoked = h.Wanted.Version
	_, err = tx.Exec(ctx, `UPDATE bookings SET revoked = $1 WHERE id = $2`, int64(b.Revoked), b.ID)
	return b, out, err
}

// Ticket signs the ticket of a booking that admits; ErrState for another. What it says is only for the household.
func (f *Facilities) Ticket(b Booking, now time.Time) (string, error) {
	if !b.Admits(now) {
		return "", ErrState
	}
	id, key, err := f.fleet.Keys().Signer(fleet.UseTicket, now)
	if err != nil {
		return "", fmt.Errorf("ticket: %w", err)
	}
	w := b.Slot.Window()
	return wire.SignTicket(key, wire.Ticket{ID: b.ID, Gateway: b.Gateway, Door: b.Door, From: w.From, Until: w.To, Uses: b.uses(), Issued: wire.At(now), Key: id})
}

func (b Booking) uses() int { return int(num(b.Once)) }

const bookingColumns = `SELECT id, site, facility, gateway, door, once, household, person, state, starts, ends, made, checked_in, revoked, version FROM bookings WHERE `

// BookingByID gives one booking; ErrUnknown when there is none.
func BookingByID(ctx context.Context, tx *store.Tx, id string) (Booking, error) {
	all, err := bookings(ctx, tx, `id = $1`, id)
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("booking: %w", ErrUnknown)
	}
	if err != nil {
		return Booking{}, err
	}
	return all[0], nil
}

// Filter says which bookings are listed. Site is never empty.
type Filter struct {
	Site       string
	Households []string    // nil: of all
	After      wire.Micros // those that end after it
	From       wire.Micros // with FromID: only what comes after this place in the list; 0: from its beginning
	FromID     string
	Limit      int // 0 means 201, which is the most
}

// Bookings gives the bookings of a filter, in the order in which they begin.
func Bookings(ctx context.Context, tx *store.Tx, f Filter) ([]Booking, error) {
	if f.Households != nil && len(f.Households) == 0 {
		return nil, nil
	}
	args := []any{f.Site, int64(f.After)}
	where := `site = $1 AND ends > $2`
	arg := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	if f.Households != nil {
		var in []string
		for _, h := range f.Households {
			in = append(in, arg(h))
		}
		where += ` AND household IN (` + strings.Join(in, ", ") + `)`
	}
	if f.From > 0 {
		where += fmt.Sprintf(` AND (starts, id) > (%s, %s)`, arg(int64(f.From)), arg(f.FromID))
	}
	limit := f.Limit
	if limit <= 0 || limit > maxList {
		limit = maxList
	}
	return bookings(ctx, tx, where+` ORDER BY starts, id LIMIT `+arg(limit), args...)
}

func bookings(ctx context.Context, tx *store.Tx, where string, args ...any) ([]Booking, error) {
	rows, err := tx.Query(ctx, bookingColumns+where, args...)
	if err != nil {
		return nil, fmt.Errorf("bookings: %w", err)
	}
	return store.Collect(rows, func(r *sql.Rows) (b Booking, err error) {
		return b, r.Scan(&b.ID, &b.Site, &b.Facility, &b.Gateway, &b.Door, &b.Once, &b.Household, &b.Person, &b.State, &b.Slot.From, &b.Slot.To,
			&b.Made, &b.CheckedIn, &b.Revoked, &b.Version)
	})
}

// DaySlot is one slot of a day as a household sees it.
type DaySlot struct {
	rules.Slot
	Rule    rules.Rule // why it cannot be booked; Limit is not among them: it is no slot's own
	Booking string     // id of the household's own booking
}

// Calendar gives the slots of a facility on so many days from that of at on, as some households see them.
func Calendar(ctx context.Context, tx *store.Tx, site string, of Facility, households []string, at time.Time, days int, now time.Time) ([][]DaySlot, error) {
	taken, err := held(ctx, tx, living+` AND site = $1 AND facility = $2`, now, site, of.ID)
	if err != nil {
		return nil, err
	}
	own, err := Bookings(ctx, tx, Filter{Site: site, Households: append([]string{}, households...), After: wire.At(now)})
	if err != nil {
		return nil, err
	}
	mine := map[rules.Slot]string{}
	for _, b := range own {
		if b.Facility == of.ID && b.State.Living() {
			mine[b.Slot] = b.ID
		}
	}
	all := make([][]DaySlot, days)
	for n := range all {
		for _, s := range of.OnDay(at.In(fleet.Taipei()).AddDate(0, 0, n)) {
			_, rule := of.Judge(s.From, 0, 0, taken, now.In(fleet.Taipei()))
			all[n] = append(all[n], DaySlot{Slot: s, Rule: rule, Booking: mine[s]})
		}
	}
	return all, nil
}
