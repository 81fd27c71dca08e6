// Package facilities knows what of a community can be booked, who has booked it, and what the gateways have said of the
// doors to it.
//
// The cloud owns bookings: a slot is booked once, and the database itself sees to that. The gateway owns doors: this package
// projects their events. A booking opens its door in two ways, neither of which needs the cloud at that moment: by a grant
// in the state document, and by a signed ticket that its household carries. Instants are wire.Micros.
package facilities

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"

	"github.com/ntpc-smart-community/lobby/cloud/facilities/rules"
	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Errors of this package. A slot that cannot be booked is a Refusal.
var (
	ErrUnknown = errors.New("no such facility, booking or door")
	ErrChanged = errors.New("the booking has changed in the meantime")
	ErrState   = errors.New("not possible in the booking's state")
	ErrImport  = errors.New("not valid")
)

// Facilities books, cancels, and signs tickets. It may be used by several goroutines at once.
type Facilities struct {
	fleet *fleet.Fleet
}

// New makes a Facilities over a fleet.
func New(f *fleet.Fleet) *Facilities { return &Facilities{fleet: f} }

// Migrate makes or renews the tables of this package.
func Migrate(ctx context.Context, db *store.DB) error {
	return db.Migrate(ctx, "facilities", migrations)
}

// Facility is one thing that can be booked, behind one door.
type Facility struct {
	ID      string
	Gateway string
	Door    string // its id at the gateway; no two gateways of a site have doors of one id
	Name    string
	English string // the same in English
	Once    bool   // a booking opens the door once
	rules.Facility
}

// List gives a site's facilities in the order in which the community lists them.
func List(ctx context.Context, tx *store.Tx, site string) ([]Facility, error) {
	return facilities(ctx, tx, `site = $1`, site)
}

// ByID gives one facility; ErrUnknown when there is none.
func ByID(ctx context.Context, tx *store.Tx, site, id string) (Facility, error) {
	all, err := facilities(ctx, tx, `site = $1 AND id = $2`, site, id)
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("facility: %w", ErrUnknown)
	}
	if err != nil {
		return Facility{}, err
	}
	return all[0], nil
}

func facilities(ctx context.Context, tx *store.Tx, where string, args ...any) ([]Facility, error) {
	rows, err := tx.Query(ctx, `SELECT id, gateway, door, name, english, slot, from_time, to_time, once FROM facilities WHERE `+where+` ORDER BY number`, args...)
	if err != nil {
		return nil, fmt.Errorf("facilities: %w", err)
	}
	return store.Collect(rows, func(r *sql.Rows) (f Facility, err error) {
		return f, r.Scan(&f.ID, &f.Gateway, &f.Door, &f.Name, &f.English, &f.Slot, &f.From, &f.To, &f.Once)
	})
}

// Import makes all what can be booked at a site, in place of all that stood; bookings stay as they are. Every error that the
// community can mend is an ErrImport.
func Import(ctx context.Context, tx *store.Tx, f *fleet.Fleet, site string, all []Facility) error {
	if err := Check(all); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM facilities WHERE site = $1`, site); err != nil {
		return fmt.Errorf("facilities of site %s: %w", site, err)
	}
	for n, one := range all {
		g, err := f.Gateway(ctx, tx, one.Gateway)
		if err != nil && !errors.Is(err, fleet.ErrUnknown) {
			return err
		}
		if err != nil || g.Site != site {
			return fmt.Errorf("facility %s: no gateway %.40q at this site; name it among the gateways: %w", one.ID, one.Gateway, ErrImport)
		}
		_, err = tx.Exec(ctx, `INSERT INTO facilities (site, id, number, gateway, door, name, english, slot, from_time, to_time, once)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
			site, one.ID, n, one.Gateway, one.Door, one.Name, one.English, one.Slot, one.From, one.To, num(one.Once))
		if err != nil {
			return fmt.Errorf("facility %s of site %s: %w", one.ID, site, err)
		}
	}
	return nil
}

// Check sees that facilities can stand together: grants name doors alone, and one day's grants travel together.
func Check(all []Facility) error {
	gateway := map[string]string{}
	slots := 0
	for _, f := range all {
		if err := f.Valid(); err != nil {
			return fmt.Errorf("facility %s: %w: %w", f.ID, err, ErrImport)
		}
		if other, ok := gateway[f.Door]; ok && other != f.Gateway {
			return fmt.Errorf("facility %s: door %s is one of gateway %s too; give the doors of a site different ids: %w", f.ID, f.Door, other, ErrImport)
		}
		gateway[f.Door] = f.Gateway
		slots += f.PerDay()
	}
	if slots > rules.MaxDaySlots {
		return fmt.Errorf("%d slots a day in all facilities together, at most %d; make slots longer: %w", slots, rules.MaxDaySlots, ErrImport)
	}
	return nil
}

func num(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
