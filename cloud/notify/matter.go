package notify

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/ntpc-smart-community/lobby/cloud/ingest"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Projection notes of which parcels somebody may have to be told. It forgets nothing on a rebuild: what was told stays
// told.
type Projection struct{}

var _ ingest.Projection = Projection{}

// Name is what alarms call it.
func (Projection) Name() string { return "notify" }

// Project notes a parcel when the courier's undo has ended, or when a settled parcel gets another PIN. An event that
// people were told of before is left alone.
func (Projection) Project(ctx context.Context, tx *store.Tx, l ingest.Logged) error {
	id, ok := strings.CutPrefix(l.Event.Subject, "parcel/")
	if !ok || l.Told {
		return nil
	}
	if l.Event.Type != wire.ParcelSettled {
		var s wire.Parcel
		if len(l.Event.State) == 0 || json.Unmarshal(l.Event.State, &s) != nil || s.PIN == nil || s.SettledAt == 0 {
			return nil
		}
	}
	_, err := tx.Exec(ctx, `INSERT INTO notice_matters (gateway, parcel, epoch, stream, segment, seq) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (gateway, parcel) DO UPDATE SET epoch = excluded.epoch, stream = excluded.stream, segment = excluded.segment, seq = excluded.seq
		WHERE (notice_matters.epoch, notice_matters.segment, notice_matters.seq) < (excluded.epoch, excluded.segment, excluded.seq)`,
		l.Gateway, id, int64(l.Name.Epoch), string(l.Name.Stream), int64(l.Name.Segment), int64(l.Name.Seq))
	return err
}

// messageID is the same for a person and a matter for ever.
func messageID(person, gateway, parcel string) string {
	sum := sha256.Sum256([]byte("lobby/notice\x00" + person + "\x00parcel.waiting\x00" + gateway + "\x00" + parcel))
	return "msg_" + hex.EncodeToString(sum[:16])
}

type matter struct {
	gateway, parcel string
	name            wire.Name
}

// make turns matters of which all that came later is in into notices. It tells whether there may be more of them.
func (n *Notifier) make(ctx context.Context) (more bool, err error) {
	var made, waiting int64
	err = n.db.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT COUNT(*) FROM notice_matters`).Scan(&waiting)
	})
	if err != nil || waiting == 0 {
		return false, err
	}
	err = n.db.Write(ctx, func(tx *store.Tx) error {
		made, more = 0, false
		rows, err := tx.QueryForUpdate(ctx, `SELECT gateway, parcel, epoch, stream, segment, seq FROM notice_matters ORDER BY gateway, parcel`)
		if err != nil {
			return err
		}
		matters, err := readMatters(rows)
		if err != nil {
			return err
		}
		later := map[wire.Name]map[string]bool{}
		done := 0
		for _, m := range matters {
			at := m.name
			at.Seq = 0
			in, known := later[at][m.gateway]
			if !known {
				if in, err = n.fleet.Later(ctx, tx, m.gateway, m.name); err != nil {
					return err
				}
				if later[at] == nil {
					later[at] = map[string]bool{}
				}
				later[at][m.gateway] = in
			}
			if !in {
				continue
			}
			if done++; done > batch {
				more = true
				break
			}
			some, err := n.tell(ctx, tx, m)
			if err != nil {
				return err
			}
			made += some
		}
		return nil
	})
	if err == nil {
		n.made.Add(made)
	}
	return more, err
}

// tell makes the notices of one matter, by the parcel's state as it is now, and ends the matter.
func (n *Notifier) tell(ctx context.Context, tx *store.Tx, m matter) (made int64, err error) {
	if _, err := tx.Exec(ctx, `DELETE FROM notice_matters WHERE gateway = $1 AND parcel = $2`, m.gateway, m.parcel); err != nil {
		return 0, err
	}
	now, err := n.source.Matter(ctx, tx, m.gateway, m.parcel)
	if err != nil || !now.Waiting {
		return 0, err
	}
	people, err := n.identity.MembersOf(ctx, tx, now.Site, now.Household)
	if err != nil {
		return 0, err
	}
	state := Waiting
	if n.sign == nil {
		state = Kept
	}
	at := n.o.Now().UnixMicro()
	for _, person := range people {
		r, err := tx.Exec(ctx, `INSERT INTO notices (id, site, person, household, gateway, parcel, made, state, tries, next_at, ended)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $7, 0) ON CONFLICT (id) DO NOTHING`,
			messageID(person.ID, m.gateway, m.parcel), now.Site, person.ID, now.Household, m.gateway, m.parcel, at, string(state))
		if err != nil {
			return 0, err
		}
		some, err := r.RowsAffected()
		if err != nil {
			return 0, err
		}
		made += some
	}
	return made, nil
}

func readMatters(rows *sql.Rows) ([]matter, error) {
	defer rows.Close()
	var all []matter
	for rows.Next() {
		var m matter
		if err := rows.Scan(&m.gateway, &m.parcel, &m.name.Epoch, &m.name.Stream, &m.name.Segment, &m.name.Seq); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, rows.Err()
}
