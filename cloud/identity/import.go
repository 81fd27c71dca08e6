package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/ntpc-smart-community/lobby/cloud/store"
)

// derived makes an id that says nothing to whom it is shown, and is the same each time.
func derived(kind string, of ...string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("lobby/"+kind+"\x00"+strings.Join(of, "\x00"))).String()
}

// Import brings a community into the tables, all or nothing within tx; importing it again changes nothing. The members
// of the households it names and the roles of the site become exactly those it names; units and households that it does
// not name stay as they are. An id that stands at another site, or a household that would share its unit, is an ErrImport.
// The site itself is registered by fleet.
func Import(ctx context.Context, tx *store.Tx, c Community) error {
	return tx.Savepoint(ctx, func() error {
		for _, u := range c.Units {
			if err := importUnit(ctx, tx, c.Site.ID, u); err != nil {
				return err
			}
		}
		for _, h := range c.Households {
			if err := importHousehold(ctx, tx, c, h); err != nil {
				return err
			}
		}
		if err := alone(ctx, tx, c.Site.ID); err != nil {
			return err
		}
		return importRoles(ctx, tx, c)
	})
}

func importUnit(ctx context.Context, tx *store.Tx, site string, u Unit) error {
	var held string
	err := tx.QueryRow(ctx, `SELECT site FROM units WHERE id = $1`, u.ID).Scan(&held)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("unit %s: %w", u.Label, err)
	}
	if err == nil && held != site {
		return fmt.Errorf("unit %s: its id stands at another site; choose another id: %w", u.Label, ErrImport)
	}
	var other string
	err = tx.QueryRow(ctx, `SELECT id FROM units WHERE site = $1 AND label = $2 AND id <> $3`, site, u.Label, u.ID).Scan(&other)
	if err == nil {
		return fmt.Errorf("unit %s: stands with the id %s; use that: %w", u.Label, other, ErrImport)
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("unit %s: %w", u.Label, err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO units (id, site, label, low) VALUES ($1, $2, $3, $4)
		ON CONFLICT (id) DO UPDATE SET label = excluded.label, low = excluded.low`, u.ID, site, u.Label, u.Low)
	if err != nil {
		return fmt.Errorf("unit %s: %w", u.Label, err)
	}
	return nil
}

func importHousehold(ctx context.Context, tx *store.Tx, c Community, h Entry) error {
	var held string
	err := tx.QueryRow(ctx, `SELECT id FROM units WHERE id = $1 AND site = $2`, h.Unit, c.Site.ID).Scan(&held)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("household %s: no unit %.40q at this site; name it among the units: %w", h.ID, h.Unit, ErrImport)
	}
	if err != nil {
		return fmt.Errorf("household %s: %w", h.ID, err)
	}
	err = tx.QueryRow(ctx, `SELECT unit FROM households WHERE id = $1`, h.ID).Scan(&held)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("household %s: %w", h.ID, err)
	}
	if err == nil && held != h.Unit {
		return fmt.Errorf("household %s: lives in another unit; people who move are another household: %w", h.ID, ErrImport)
	}
	_, err = tx.Exec(ctx, `INSERT INTO households (id, unit, starts, ends) VALUES ($1, $2, $3, $4)
		ON CONFLICT (id) DO UPDATE SET starts = excluded.starts, ends = excluded.ends`, h.ID, h.Unit, micros(h.From), micros(h.Until))
	if err != nil {
		return fmt.Errorf("household %s: %w", h.ID, err)
	}
	if _, err := tx.Exec(ctx, `DELETE FROM memberships WHERE household = $1`, h.ID); err != nil {
		return fmt.Errorf("household %s: %w", h.ID, err)
	}
	for _, m := range h.Members {
		person, err := keepPerson(ctx, tx, account{issuer: c.Issuer, subject: m.Subject, name: m.Name})
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO memberships (person, household, role) VALUES ($1, $2, $3)`, person, h.ID, m.As)
		if err != nil {
			return fmt.Errorf("household %s: %w", h.ID, err)
		}
	}
	return nil
}

// alone sees that no unit of a site has two households at once.
func alone(ctx context.Context, tx *store.Tx, site string) error {
	var label string
	err := tx.QueryRow(ctx, `SELECT u.label FROM households a JOIN households b ON a.unit = b.unit AND a.id < b.id
		JOIN units u ON u.id = a.unit
		WHERE u.site = $1 AND (b.ends = 0 OR a.starts < b.ends) AND (a.ends = 0 OR b.starts < a.ends)
		ORDER BY u.label LIMIT 1`, site).Scan(&label)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("households of site %s: %w", site, err)
	}
	return fmt.Errorf("unit %s has two households at once; name the earlier one too, with its until: %w", label, ErrImport)
}

func importRoles(ctx context.Context, tx *store.Tx, c Community) error {
	if c.Site.ID == Everywhere {
		return fmt.Errorf("roles everywhere are not imported: %w", ErrImport)
	}
	if _, err := tx.Exec(ctx, `DELETE FROM roles WHERE site = $1`, c.Site.ID); err != nil {
		return fmt.Errorf("roles: %w", err)
	}
	for _, g := range c.Roles {
		person, err := keepPerson(ctx, tx, account{issuer: c.Issuer, subject: g.Subject, name: g.Name})
		if err != nil {
			return err
		}
		if err := Grant(ctx, tx, person, c.Site.ID, Role(g.As)); err != nil {
			return err
		}
	}
	return nil
}

// Grant gives person a role at site, or Everywhere. To grant it again changes nothing.
func Grant(ctx context.Context, tx *store.Tx, person, site string, role Role) error {
	local := role == Guard || role == Manager || role == Committee
	if wide := role == Operator || role == Official || role == Clerk; local == (site == Everywhere) || !local && !wide {
		return fmt.Errorf("role %.20q at site %.40q: %w", role, site, ErrImport)
	}
	_, err := tx.Exec(ctx, `INSERT INTO roles (person, site, role) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, person, site, string(role))
	if err != nil {
		return fmt.Errorf("role: %w", err)
	}
	return nil
}

// AddPerson finds or makes the person of an issuer's account and gives its id.
func AddPerson(ctx context.Context, tx *store.Tx, issuer, subject, name string) (string, error) {
	return keepPerson(ctx, tx, account{issuer: issuer, subject: subject, name: name})
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}
