package demo

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// terminal is a person at a facility's door.
type terminal struct {
	base string
	http *http.Client
}

func (d terminal) look(ctx context.Context, door string) (shown, error) {
	code, page, _, err := fetch(ctx, d.http, http.MethodGet, d.base+"/door/"+door, nil, nil)
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("screen of door %s: %d", door, code)
	}
	return parseShown(page), err
}

// present holds a ticket to a door's reader and returns what the screen says.
func (d terminal) present(ctx context.Context, door, ticket string) (shown, error) {
	now, err := d.look(ctx, door)
	if err != nil {
		return nil, err
	}
	form := url.Values{"step": {now["step"]}, "ticket": {ticket}}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	code, page, _, err := fetch(ctx, d.http, http.MethodPost, d.base+"/door/"+door+"/ticket", header, strings.NewReader(form.Encode()))
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("door %s: %d %v", door, code, parseShown(page))
	}
	return parseShown(page), err
}

// refused presents a ticket that must not open, and checks why.
func (t *tour) refused(ctx context.Context, door, ticket, reason string) error {
	now, err := t.terminal.present(ctx, door, ticket)
	if err != nil {
		return err
	}
	if now["reason"] != reason {
		return fmt.Errorf("at door %s: the screen says %v, want %s", door, now, reason)
	}
	return nil
}

type slotSeen struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	State string    `json:"state"`
}

type bookingSeen struct {
	ID        string `json:"id"`
	State     string `json:"state"`
	CheckedIn string `json:"checked_in"` // stays when the slot's time is over
}

// slot finds the free slot of a facility that a moment lies in.
func (t *tour) slot(ctx context.Context, who person, facility string, at time.Time) (slotSeen, error) {
	day := at.In(time.FixedZone("Asia/Taipei", 8*60*60)).Format(time.DateOnly)
	var list struct {
		Items []slotSeen `json:"items"`
	}
	if err := who.get(ctx, "/v1/facilities/"+facility+"/slots?site="+t.site+"&day="+day, &list); err != nil {
		return slotSeen{}, err
	}
	for _, s := range list.Items {
		if !s.From.After(at) && s.To.After(at) && s.State == "free" {
			return s, nil
		}
	}
	return slotSeen{}, fmt.Errorf("no free slot of %s at %v", facility, at)
}

// book books the slot of a facility that a moment lies in, and gives its ticket.
func (t *tour) book(ctx context.Context, who person, home household, facility string, at time.Time) (b bookingSeen, ticket string, err error) {
	s, err := t.slot(ctx, who, facility, at)
	if err != nil {
		return b, "", err
	}
	body := map[string]any{"site": t.site, "facility": facility, "household": home.ID, "from": s.From}
	if err := who.once(ctx, "/v1/bookings", body, &b); err != nil {
		return b, "", err
	}
	var got struct {
		Ticket string `json:"ticket"`
	}
	err = who.get(ctx, "/v1/bookings/"+b.ID+"/ticket", &got)
	t.secrets[got.Ticket] = "ticket of " + home.Unit
	return b, got.Ticket, err
}

// once posts with an Idempotency-Key.
func (p person) once(ctx context.Context, path string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	header := http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {rand.Text()}}
	code, b, _, err := fetch(ctx, p.http, http.MethodPost, p.base+path, header, bytes.NewReader(text))
	if err == nil && code/100 != 2 {
		err = fmt.Errorf("POST %s: %d %s", path, code, b)
	}
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	return err
}

// doorCounts is what physically happened at a door.
type doorCounts struct {
	Releases int `json:"releases"`
	Openings int `json:"openings"`
	Forced   int `json:"forced"`
}

type doorSeen struct {
	ID       string     `json:"id"`
	OutputOn bool       `json:"output_on"`
	Open     bool       `json:"open"`
	Counts   doorCounts `json:"counts"`
}

func (h hand) facilityDoor(ctx context.Context, id string) (doorSeen, error) {
	s, err := h.state(ctx)
	for _, d := range s.Doors {
		if d.ID == id {
			return d, err
		}
	}
	return doorSeen{}, errors.Join(err, fmt.Errorf("the building has no door %s", id))
}

// walk waits until a door is released, pushes it open and shuts it again.
func (t *tour) walk(ctx context.Context, door string) error {
	if err := until(ctx, "door "+door+" to be released", func() (bool, any, error) {
		d, err := t.hand.facilityDoor(ctx, door)
		return err == nil && d.OutputOn, d, err
	}); err != nil {
		return err
	}
	if err := t.hand.touch(ctx, "doors/"+door+"/push", struct{}{}); err != nil {
		return err
	}
	if err := until(ctx, "the screen to say that the door is open", func() (bool, any, error) {
		now, err := t.terminal.look(ctx, door)
		return err == nil && now["state"] == "open", now, err
	}); err != nil {
		return err
	}
	if err := t.hand.touch(ctx, "doors/"+door+"/shut", struct{}{}); err != nil {
		return err
	}
	return until(ctx, "the door to be secured", func() (bool, any, error) {
		now, err := t.terminal.look(ctx, door)
		return err == nil && now["state"] == "secured", now, err
	})
}

// ticketed is step 9: with the link cut, a ticket that the gateway never heard of opens its door, in its time, once.
func (t *tour) ticketed(ctx context.Context) error {
	before, err := t.hand.state(ctx)
	if err != nil {
		return err
	}
	t.d.Link.Cut()
	booked, ticket, err := t.book(ctx, t.chen, t.chenHome, "gym", time.Now())
	if err != nil {
		return err
	}
	_, later, err := t.book(ctx, t.lin, t.linHome, "gym", time.Now().Add(3*time.Hour))
	if err != nil {
		return err
	}
	for _, r := range []struct{ door, ticket, reason string }{
		{"gym", later, "too_early"}, {"ktv", ticket, "wrong_door"}, {"gym", spoiled(ticket), "no_ticket"},
	} {
		if err := t.refused(ctx, r.door, r.ticket, r.reason); err != nil {
			return err
		}
	}
	opening, err := t.terminal.present(ctx, "gym", ticket)
	if err != nil || opening["reason"] != "" {
		return fmt.Errorf("a good ticket leads to %v: %w", opening, err)
	}
	if err := t.walk(ctx, "gym"); err != nil {
		return err
	}
	if err := t.refused(ctx, "gym", ticket, "used"); err != nil {
		return err
	}
	t.d.Link.Mend()
	if err := until(ctx, "the booking to be checked in", func() (bool, any, error) {
		var b bookingSeen
		err := t.chen.get(ctx, "/v1/bookings/"+booked.ID, &b)
		return err == nil && b.CheckedIn != "", b, err
	}); err != nil {
		return err
	}
	opened, err := t.openings(ctx, before)
	t.seen["opened"], t.seen["refused"] = opened, []string{"too_early", "wrong_door", "no_ticket", "used"}
	if err == nil && opened != (doorCounts{Releases: 1, Openings: 1}) {
		err = fmt.Errorf("for one good ticket: %+v", opened)
	}
	return err
}

// openings is what has happened at all doors since.
func (t *tour) openings(ctx context.Context, since buildingState) (sum doorCounts, err error) {
	now, err := t.hand.state(ctx)
	for i, d := range now.Doors {
		was := since.Doors[i].Counts
		sum.Releases += d.Counts.Releases - was.Releases
		sum.Openings += d.Counts.Openings - was.Openings
		sum.Forced += d.Counts.Forced - was.Forced
	}
	return sum, err
}

// spoiled changes one character of a ticket.
func spoiled(ticket string) string {
	b := []byte(ticket)
	at := len(b) / 2
	if b[at]++; b[at] > 'Z' || b[at] == '8' {
		b[at] = 'A'
	}
	return string(b)
}

// pastTicket is a ticket of the cloud's own key that ended an hour ago.
func (t *tour) pastTicket(now time.Time) (string, error) {
	keys, err := fleet.LoadKeys(filepath.Join(t.d.Dir, "cloud", "keys"))
	if err != nil {
		return "", err
	}
	id, key, err := keys.Signer(fleet.UseTicket, now)
	if err != nil {
		return "", err
	}
	return wire.SignTicket(key, wire.Ticket{
		ID: "past", Gateway: t.d.Box(), Door: "ktv", From: wire.At(now.Add(-3 * time.Hour)), Until: wire.At(now.Add(-time.Hour)),
		Issued: wire.At(now.Add(-4 * time.Hour)), Key: id,
	})
}
