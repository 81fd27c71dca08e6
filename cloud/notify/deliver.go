package notify

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// State says what became of a notice.
type State string

// The states of a notice.
const (
	Waiting   State = "waiting"   // to be delivered
	Sent      State = "sent"      // taken by the webhook
	Kept      State = "kept"      // no webhook is configured: the API shows it
	Withdrawn State = "withdrawn" // the parcel was gone before anybody was told
	GivenUp   State = "given_up"  // the webhook did not take it
)

// Notice is one row of the outbox.
type Notice struct {
	ID        string
	Site      string
	Person    string
	Household string
	Gateway   string
	Parcel    string
	Made      wire.Micros
	State     State
	Tries     int64
	Ended     wire.Micros // 0: not yet
}

const noticeColumns = `id, site, person, household, gateway, parcel, made, state, tries, ended`

// OfSite lists the newest notices of a site, at most 200.
func OfSite(ctx context.Context, tx *store.Tx, site string) ([]Notice, error) {
	return notices(ctx, tx, `site = $1`, site)
}

// OfPerson lists the newest notices of a person at a site, at most 200.
func OfPerson(ctx context.Context, tx *store.Tx, person, site string) ([]Notice, error) {
	return notices(ctx, tx, `person = $1 AND site = $2`, person, site)
}

func notices(ctx context.Context, tx *store.Tx, where string, args ...any) ([]Notice, error) {
	rows, err := tx.Query(ctx, `SELECT `+noticeColumns+` FROM notices WHERE `+where+` ORDER BY made DESC, id LIMIT 200`, args...)
	if err != nil {
		return nil, fmt.Errorf("notices: %w", err)
	}
	return readNotices(rows)
}

func readNotices(rows *sql.Rows) ([]Notice, error) {
	defer rows.Close()
	var all []Notice
	for rows.Next() {
		var n Notice
		if err := rows.Scan(&n.ID, &n.Site, &n.Person, &n.Household, &n.Gateway, &n.Parcel, &n.Made, &n.State, &n.Tries, &n.Ended); err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, rows.Err()
}

// deliver tries every notice that is due, and tells how long until the next one is.
func (n *Notifier) deliver(ctx context.Context) (time.Duration, error) {
	if n.sign == nil {
		return lookEvery, nil
	}
	due, err := n.claim(ctx)
	if err != nil {
		return 0, err
	}
	for _, one := range due {
		if err := n.attempt(ctx, one); err != nil {
			return 0, err
		}
	}
	if len(due) == posts {
		return 0, nil
	}
	var at sql.NullInt64
	err = n.db.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT MIN(next_at) FROM notices WHERE state = 'waiting'`).Scan(&at)
	})
	if err != nil || !at.Valid {
		return lookEvery, err
	}
	return time.UnixMicro(at.Int64).Sub(n.o.Now()), nil
}

// claim takes what is due away from other replicas for the time of one try. The try is counted before it is made.
func (n *Notifier) claim(ctx context.Context) (due []Notice, err error) {
	err = n.db.Write(ctx, func(tx *store.Tx) error {
		now := n.o.Now()
		rows, err := tx.QueryForUpdate(ctx, `SELECT `+noticeColumns+` FROM notices WHERE state = 'waiting' AND next_at <= $1
			ORDER BY next_at, id LIMIT $2`, now.UnixMicro(), posts)
		if err != nil {
			return err
		}
		if due, err = readNotices(rows); err != nil {
			return err
		}
		for i := range due {
			due[i].Tries++
			_, err := tx.Exec(ctx, `UPDATE notices SET tries = $1, next_at = $2 WHERE id = $3`, due[i].Tries, now.Add(lease).UnixMicro(), due[i].ID)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return due, err
}

// attempt delivers one notice, or finds that it need not be told any more.
func (n *Notifier) attempt(ctx context.Context, one Notice) error {
	body, err := n.compose(ctx, one)
	if errors.Is(err, errGone) {
		return n.end(ctx, one, Withdrawn)
	}
	if err != nil {
		return err
	}
	err = n.post(ctx, one.ID, body)
	if err == nil {
		n.sent.Add(1)
		return n.end(ctx, one, Sent)
	}
	if ctx.Err() != nil {
		return err
	}
	n.failed.Add(1)
	n.o.Log.Warn("notice not delivered", "notice", one.ID, "tries", one.Tries, "err", err)
	if one.Tries >= maxTries {
		return n.end(ctx, one, GivenUp)
	}
	wait := n.o.Jitter(min(firstWait<<(one.Tries-1), lastWait))
	return n.db.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE notices SET next_at = $1 WHERE id = $2 AND state = 'waiting'`, n.o.Now().Add(wait).UnixMicro(), one.ID)
		return err
	})
}

func (n *Notifier) end(ctx context.Context, one Notice, state State) error {
	return n.db.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE notices SET state = $1, ended = $2 WHERE id = $3 AND state = 'waiting'`,
			string(state), n.o.Now().UnixMicro(), one.ID)
		return err
	})
}

// errGone says that there is nothing left to tell.
var errGone = errors.New("the parcel is gone")

// message is the body of a webhook. It holds no name, no PIN and no code.
type message struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      told      `json:"data"`
}

type told struct {
	Person  string            `json:"person"`
	Site    string            `json:"site"`
	Gateway string            `json:"gateway"`
	Parcel  string            `json:"parcel"`
	Door    int64             `json:"door,omitempty"`
	Shelf   string            `json:"shelf,omitempty"`
	Since   time.Time         `json:"since"`
	Due     time.Time         `json:"due"`
	Text    map[string]string `json:"text"`
}

// compose writes the message by the parcel's state as it is now.
func (n *Notifier) compose(ctx context.Context, one Notice) ([]byte, error) {
	var m Matter
	err := n.db.Read(ctx, func(tx *store.Tx) (err error) {
		m, err = n.source.Matter(ctx, tx, one.Gateway, one.Parcel)
		return err
	})
	if err != nil {
		return nil, err
	}
	if !m.Waiting || m.Household != one.Household {
		return nil, errGone
	}
	zh, en := words(m)
	return json.Marshal(message{
		Type: "parcel.waiting", Timestamp: one.Made.Time(),
		Data: told{
			Person: one.Person, Site: one.Site, Gateway: one.Gateway, Parcel: one.Parcel, Door: m.Door, Shelf: m.Shelf,
			Since: m.Since.Time().In(taipei()), Due: m.Due.Time().In(taipei()), Text: map[string]string{"zh-TW": zh, "en": en},
		},
	})
}

// taipei has no summer time.
func taipei() *time.Location { return time.FixedZone("Asia/Taipei", 8*60*60) }

// words says where the parcel is and until when.
func words(m Matter) (zh, en string) {
	day := m.Due.Time().In(taipei())
	until := day.Format("1/2") + "（" + string([]rune("日一二三四五六")[day.Weekday()]) + "）" + day.Format("15:04")
	by := day.Format("Mon 2 Jan, 15:04")
	switch {
	case m.Shelf != "":
		return "您有包裹在管理室 " + m.Shelf + "，請在 " + until + " 前領取。取件碼在「我的包裹」。",
			"Your parcel is at the guard's desk, shelf " + m.Shelf + ". Please collect it by " + by + ". The code is under My parcels."
	case m.Door > 0:
		door := fmt.Sprintf("%02d", m.Door) // as painted
		return "您有包裹在 " + door + " 號門，請在 " + until + " 前領取。取件碼在「我的包裹」。",
			"Your parcel is behind door " + door + ". Please collect it by " + by + ". The code is under My parcels."
	}
	return "您有包裹待領，請在 " + until + " 前領取。取件碼在「我的包裹」。",
		"A parcel is waiting for you. Please collect it by " + by + ". The code is under My parcels."
}

// post delivers a signed message. The answer's body is not kept: it is another party's text.
func (n *Notifier) post(ctx context.Context, id string, body []byte) error {
	now := n.o.Now()
	signature, err := n.sign.Sign(id, now, body)
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, postLimit, errors.New("the webhook did not answer in time"))
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, n.o.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(webhooks.HeaderWebhookID, id)
	r.Header.Set(webhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	r.Header.Set(webhooks.HeaderWebhookSignature, signature)
	answer, err := n.o.Client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // so that the connection can be used again
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("webhook answered %d", answer.StatusCode)
	}
	return nil
}
