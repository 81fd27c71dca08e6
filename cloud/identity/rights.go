package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/ntpc-smart-community/lobby/cloud/store"
)

// Household is the people of one unit from one date to another, seen by one of them.
type Household struct {
	ID    string
	Site  string
	Unit  string // the unit's id
	Label string // as on the door
	Role  Standing
}

// living is the condition of a household that lives now: $1.
const living = `h.starts <= $1 AND (h.ends = 0 OR h.ends > $1)`

// HouseholdsOf gives the living households of person at site, by label.
func (i *Identity) HouseholdsOf(ctx context.Context, tx *store.Tx, person, site string) ([]Household, error) {
	return households(ctx, tx, `WHERE `+living+` AND m.person = $2 AND u.site = $3 ORDER BY u.label, h.id`, i.now(), person, site)
}

// HouseholdOf gives one living household of person at site; ErrUnknown when it is none of theirs, whatever else it is.
func (i *Identity) HouseholdOf(ctx context.Context, tx *store.Tx, person, site, household string) (Household, error) {
	all, err := households(ctx, tx, `WHERE `+living+` AND m.person = $2 AND u.site = $3 AND h.id = $4`, i.now(), person, site, household)
	if err != nil {
		return Household{}, err
	}
	if len(all) == 0 {
		return Household{}, fmt.Errorf("household %.40q: %w", household, ErrUnknown)
	}
	return all[0], nil
}

func households(ctx context.Context, tx *store.Tx, where string, args ...any) ([]Household, error) {
	rows, err := tx.Query(ctx, `SELECT h.id, u.site, u.id, u.label, m.role FROM memberships m
		JOIN households h ON h.id = m.household JOIN units u ON u.id = h.unit `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("households: %w", err)
	}
	defer rows.Close()
	var all []Household
	for rows.Next() {
		var h Household
		if err := rows.Scan(&h.ID, &h.Site, &h.Unit, &h.Label, &h.Role); err != nil {
			return nil, fmt.Errorf("households: %w", err)
		}
		all = append(all, h)
	}
	return all, rows.Err()
}

// MembersOf gives the people of a household of site, by id; none when it is of another site.
func (i *Identity) MembersOf(ctx context.Context, tx *store.Tx, site, household string) ([]Person, error) {
	rows, err := tx.Query(ctx, `SELECT p.id, p.name FROM memberships m JOIN persons p ON p.id = m.person
		JOIN households h ON h.id = m.household JOIN units u ON u.id = h.unit
		WHERE h.id = $1 AND u.site = $2 ORDER BY p.id`, household, site)
	if err != nil {
		return nil, fmt.Errorf("members: %w", err)
	}
	defer rows.Close()
	var all []Person
	for rows.Next() {
		var p Person
		if err := rows.Scan(&p.ID, &p.Name); err != nil {
			return nil, fmt.Errorf("members: %w", err)
		}
		all = append(all, p)
	}
	return all, rows.Err()
}

// SitesOf gives the sites where person lives or has a role, in order. A role held everywhere names no site here: ask Can.
func (i *Identity) SitesOf(ctx context.Context, tx *store.Tx, person string) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT u.site FROM memberships m JOIN households h ON h.id = m.household
		JOIN units u ON u.id = h.unit WHERE `+living+` AND m.person = $2
		UNION SELECT site FROM roles WHERE person = $2 AND site <> '' ORDER BY 1`, i.now(), person)
	if err != nil {
		return nil, fmt.Errorf("sites: %w", err)
	}
	return store.Texts(rows)
}

// Can tells whether person has role at site: a resident by a living household, the others as granted there or everywhere.
func (i *Identity) Can(ctx context.Context, tx *store.Tx, person, site string, role Role) (bool, error) {
	if role == Resident {
		all, err := i.HouseholdsOf(ctx, tx, person, site)
		return len(all) > 0, err
	}
	var n int
	err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM roles WHERE person = $1 AND role = $2 AND (site = $3 OR site = '')`,
		person, string(role), site).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("role: %w", err)
	}
	return n > 0, nil
}

// PersonByID gives a person; ErrUnknown when there is none.
func (i *Identity) PersonByID(ctx context.Context, tx *store.Tx, id string) (Person, error) {
	p := Person{ID: id}
	err := tx.QueryRow(ctx, `SELECT name FROM persons WHERE id = $1`, id).Scan(&p.Name)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrUnknown
	}
	if err != nil {
		return Person{}, fmt.Errorf("person %.40q: %w", id, err)
	}
	return p, nil
}

func (i *Identity) now() int64 { return i.config.Now().UnixMicro() }
