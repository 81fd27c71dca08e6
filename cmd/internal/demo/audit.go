package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// healthSeen is what the gateway's /healthz says.
type healthSeen struct {
	Undelivered int         `json:"undelivered"`
	Connected   bool        `json:"connected"`
	Clock       string      `json:"clock"`
	Answered    time.Time   `json:"answered"`
	Oldest      time.Time   `json:"oldest_undelivered"`
	Log         []wire.Head `json:"log"`
	Lines       []lineSeen  `json:"lines"`
	Devices     []struct {
		ID     string  `json:"id"`
		Online bool    `json:"online"`
		Every  float64 `json:"every_ms"`
	} `json:"devices"`
}

// lineSeen is a line on /healthz: measured, and computed from its configuration.
type lineSeen struct {
	Name      string  `json:"name"`
	Use       float64 `json:"use"`
	PollsNeed float64 `json:"polls_need"`
	Openings  *struct {
		Count    int     `json:"count"`
		Usual    float64 `json:"usual_ms"`
		Worst    float64 `json:"worst_of_hour_ms"`
		Computed float64 `json:"computed_ms"`
		IfSilent float64 `json:"computed_if_another_falls_silent_ms"`
	} `json:"openings"`
}

// health asks the gateway how it is; whether that is well is the reader's to judge.
func (t *tour) health(ctx context.Context) (h healthSeen, err error) {
	_, b, _, err := fetch(ctx, t.hand.http, http.MethodGet, "http://"+local(t.d.Ports.Metrics)+"/healthz", nil, nil)
	if err == nil {
		err = json.Unmarshal(b, &h)
	}
	return h, err
}

// logged is one event as the cloud's log has it.
type logged struct {
	wire.Name
	hash   wire.Hash
	bytes  []byte
	effect int64
}

// position is the cloud's row of one segment.
type position struct {
	wire.Name
	hash, before wire.Hash
	end          uint64
	lost         bool
}

// ledger is what the cloud's database says, read past all of the cloud's own code.
type ledger struct {
	events    []logged
	positions []position
}

func (d *Demo) ledger(ctx context.Context) (l ledger, err error) {
	db, err := store.Open(ctx, "file:"+filepath.Join(d.Dir, "cloud", "lobby.db"))
	if err != nil {
		return l, err
	}
	defer db.Close()
	err = db.Read(ctx, func(tx *store.Tx) error {
		l = ledger{}
		rows, err := tx.Query(ctx, `SELECT epoch, stream, segment, seq, hash, event, effect FROM log WHERE gateway = $1 ORDER BY epoch, stream, segment, seq`, d.Box())
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var e logged
			var hash []byte
			if err := rows.Scan(&e.Epoch, &e.Stream, &e.Segment, &e.Seq, &hash, &e.bytes, &e.effect); err != nil {
				return err
			}
			copy(e.hash[:], hash)
			l.events = append(l.events, e)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		return l.readPositions(ctx, tx, d.Box())
	})
	return l, err
}

func (l *ledger) readPositions(ctx context.Context, tx *store.Tx, box string) error {
	rows, err := tx.Query(ctx, `SELECT epoch, stream, segment, seq, hash, before_hash, sealed_end, lost FROM positions WHERE gateway = $1 ORDER BY epoch, stream, segment`, box)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var p position
		var hash, before []byte
		var lost int64
		if err := rows.Scan(&p.Epoch, &p.Stream, &p.Segment, &p.Seq, &hash, &before, &p.end, &lost); err != nil {
			return err
		}
		copy(p.hash[:], hash)
		copy(p.before[:], before)
		p.lost = lost != 0
		l.positions = append(l.positions, p)
	}
	return rows.Err()
}

// check follows every chain anew from the logged bytes: no event twice, no hole, each position's hash right, each segment
// joined to the one before.
func (l ledger) check() error {
	bySegment := map[wire.Name][]logged{}
	for _, e := range l.events {
		key := e.Name
		key.Seq = 0
		bySegment[key] = append(bySegment[key], e)
	}
	heads := map[wire.Name]position{}
	for _, p := range l.positions {
		key := p.Name
		key.Seq = 0
		h := p.before
		for i, e := range bySegment[key] {
			if e.Seq != uint64(i+1) {
				return fmt.Errorf("log: %s stands where seq %d should", e.Name, i+1)
			}
			if h = wire.Next(h, e.bytes); h != e.hash {
				return fmt.Errorf("log: %s has another hash than its bytes give", e.Name)
			}
		}
		if n := uint64(len(bySegment[key])); n != p.Seq || h != p.hash {
			return fmt.Errorf("position %s: the log has %d events and head %.12s, want %.12s", p.Name, n, h, p.hash)
		}
		last := key
		last.Segment--
		if older, ok := heads[last]; ok && older.end == older.Seq && older.hash != p.before {
			return fmt.Errorf("segment %s does not join the one before", p.Name)
		}
		heads[key] = p
		delete(bySegment, key)
	}
	for key := range bySegment {
		return fmt.Errorf("log: %s has events and no position", key)
	}
	return nil
}

// levelWith tells whether the cloud stands where the gateway's living heads are, with every older segment whole.
func (d *Demo) levelWith(ctx context.Context, heads []wire.Head) (bool, error) {
	l, err := d.ledger(ctx)
	if err != nil || len(heads) == 0 {
		return false, err
	}
	at := map[wire.Name]position{}
	for _, p := range l.positions {
		key := p.Name
		key.Seq = 0
		at[key] = p
	}
	for _, h := range heads {
		for segment := max(h.Oldest, 1); segment <= h.Segment; segment++ {
			p := at[wire.Name{Epoch: h.Epoch, Stream: h.Stream, Segment: segment}]
			switch {
			case segment == h.Segment && (p.Seq != h.Seq || h.Seq > 0 && p.hash != h.Hash):
				return false, nil
			case segment < h.Segment && (p.end == 0 || p.Seq != p.end):
				return false, nil
			}
		}
	}
	return true, nil
}

// standsIn finds digits that stand alone: not a part of a longer number, nor of a hash.
func standsIn(code string, b []byte) bool {
	if !bytes.Contains(b, []byte(code)) { // nearly always, and much sooner told
		return false
	}
	return regexp.MustCompile(`(^|[^0-9a-fA-F])` + code + `($|[^0-9a-fA-F])`).Match(b)
}

// leaks looks for every secret in clear: in logs, both databases, and what went over MQTT.
func (d *Demo) leaks(secrets map[string]string) (places int, err error) {
	var files []string
	for _, pattern := range []string{"log/*.log", "gateway/*.db*", "cloud/*.db*", "gateway/*.yaml"} {
		found, err := filepath.Glob(filepath.Join(d.Dir, pattern))
		if err != nil {
			return 0, err
		}
		files = append(files, found...)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return places, err
		}
		places++
		for code, whose := range secrets {
			if standsIn(code, b) {
				return places, fmt.Errorf("a code of %s stands in clear in %s", whose, strings.TrimPrefix(file, d.Dir))
			}
		}
	}
	payloads, messages := d.Tap.Payloads()
	if messages == 0 || !bytes.Contains(payloads, []byte(`"parcel.stored"`)) {
		return places, fmt.Errorf("the tap on the link saw %d messages and no parcel: it does not look where it should", messages)
	}
	for code, whose := range secrets {
		if standsIn(code, payloads) {
			return places, fmt.Errorf("a code of %s went over MQTT in clear", whose)
		}
	}
	return places + 1, nil
}
