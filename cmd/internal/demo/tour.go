package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

// Step is what one step of the tour observed.
type Step struct {
	Step    int            `json:"step"`
	Name    string         `json:"name"`
	OK      bool           `json:"ok"`
	Seconds float64        `json:"seconds"`
	Seen    map[string]any `json:"seen"`
	Error   string         `json:"error,omitempty"`
}

// tour is one run.
type tour struct {
	d                          *Demo
	screen                     screen
	terminal                   terminal
	hand                       hand
	chen, lin, manager         person
	operator                   person
	chenHome, linHome          household
	site                       string
	courier, chenCode, linCode string     // codes
	chance                     *rand.Rand // chooses when faults strike; nil: at once
	seen                       map[string]any
	secrets                    map[string]string // every code and PIN that was ever shown, and to whom
}

// Tour plays a building's life in a demo that has been started, and writes one line of JSON for each step. It reports
// whether every step held; the first that does not ends it. The demo's seed chooses when faults strike.
func Tour(ctx context.Context, d *Demo, out io.Writer) (bool, error) {
	client := &http.Client{Timeout: 20 * time.Second}
	t := &tour{
		d:        d,
		screen:   screen{"http://" + local(d.Ports.Kiosk), client},
		terminal: terminal{"http://" + local(d.Ports.Kiosk), client},
		hand:     hand{"http://" + local(d.Ports.Building), client},
		secrets:  map[string]string{},
	}
	if d.Seed != 0 {
		t.chance = rand.New(rand.NewPCG(d.Seed, 0x70e4))
	}
	defer client.CloseIdleConnections()
	encoder := json.NewEncoder(out)
	steps := []struct {
		name string
		do   func(context.Context) error
	}{
		{"people sign in and codes are minted at the gateway", t.prepare},
		{"a courier delivers to two households", t.deliver},
		{"a resident collects by PIN; wrong and used ones are refused", t.collect},
		{"link cut, broker and cloud killed: everything arrives once", t.cutOff},
		{"gateway killed between intent and outcome: no second pulse", t.killed},
		{"gateway's store put back: a fork, a new epoch", t.rolledBack},
		{"cloud's database put back: it asks again, nobody is told twice", t.restored},
		{"board unplugged, and back under another name", t.unplugged},
		{"meters are read right while a fifth of their answers come late", t.metered},
		{"a ticket opens its door with the link cut, in its time, once", t.ticketed},
		{"a manager opens a door from afar; no forgery opens one", t.fromAfar},
		{"booted in 1970 and in 2040: parcels go on, what has ended stays so", t.clocks},
		{"an operator sees a device go and come back", t.operated},
	}
	for i, step := range steps {
		t.seen = map[string]any{}
		began := time.Now()
		err := step.do(ctx)
		line := Step{Step: i, Name: step.name, OK: err == nil, Seconds: time.Since(began).Seconds(), Seen: t.seen}
		if err != nil {
			line.Error = err.Error()
		}
		if werr := encoder.Encode(line); werr != nil {
			return false, werr
		}
		if err != nil {
			return false, nil
		}
	}
	return true, nil
}

// strike waits for the moment of a fault: by the seed, at most so long from now.
func (t *tour) strike(ctx context.Context, most time.Duration) error {
	if t.chance == nil {
		return nil
	}
	return pause(ctx, time.Duration(t.chance.Int64N(int64(most))))
}

// during does something while a fault strikes, by the seed at most so long after it began.
func (t *tour) during(ctx context.Context, most time.Duration, fault func(), do func() error) error {
	var group errgroup.Group
	if t.chance == nil {
		fault()
	} else {
		after := time.Duration(t.chance.Int64N(int64(most)))
		group.Go(func() error {
			err := pause(ctx, after)
			fault()
			return err
		})
	}
	return errors.Join(do(), group.Wait())
}

// pause lets time pass.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// prepare signs people in and asks for codes: each is minted at the gateway and comes up sealed.
func (t *tour) prepare(ctx context.Context) (err error) {
	api := "http://" + local(t.d.Ports.API)
	for account, p := range map[string]*person{"chen": &t.chen, "lin": &t.lin, "manager": &t.manager, "operator": &t.operator} {
		if *p, err = signIn(ctx, api, account); err != nil {
			return err
		}
	}
	if t.chenHome, err = t.chen.household(ctx); err != nil {
		return err
	}
	if t.linHome, err = t.lin.household(ctx); err != nil {
		return err
	}
	t.site = t.chenHome.Site
	if err := t.manager.post(ctx, "/v1/couriers/black-cat/code", map[string]string{"site": t.site}); err != nil {
		return err
	}
	if t.courier, err = t.manager.code(ctx, "/v1/couriers/black-cat/code?site="+t.site, ""); err != nil {
		return err
	}
	for _, h := range []struct {
		who  person
		home household
		code *string
	}{{t.chen, t.chenHome, &t.chenCode}, {t.lin, t.linHome, &t.linCode}} {
		if err := h.who.post(ctx, "/v1/household-code", map[string]string{"site": t.site, "household": h.home.ID}); err != nil {
			return err
		}
		if *h.code, err = h.who.code(ctx, "/v1/household-code?site="+t.site+"&household="+h.home.ID, ""); err != nil {
			return err
		}
	}
	t.secrets[t.courier], t.secrets[t.chenCode], t.secrets[t.linCode] = "courier", "chen", "lin"
	t.seen["households"] = []string{t.chenHome.Unit, t.linHome.Unit}
	t.seen["codes_minted"], t.seen["seed"] = 3, t.d.Seed
	return nil
}

// signInCourier brings the screen to the question for a unit.
func (t *tour) signInCourier(ctx context.Context) (shown, error) {
	if err := t.screen.home(ctx); err != nil {
		return nil, err
	}
	if err := until(ctx, "deposits to be taken", func() (bool, any, error) { // after a start the doors are read first
		now, err := t.screen.touch(ctx, "/deliver")
		return err == nil, now, err
	}); err != nil {
		return nil, err
	}
	return t.screen.touch(ctx, "/digits", "digits", t.courier)
}

// unit types a unit's label.
func (t *tour) unit(ctx context.Context, label string) (shown, error) {
	now, err := t.screen.look(ctx)
	if err != nil {
		return nil, err
	}
	if now["screen"] == "building" {
		if now, err = t.screen.touch(ctx, "/building", "building", label[:1]); err != nil {
			return nil, err
		}
	}
	if now["screen"] != "unit" {
		return nil, fmt.Errorf("the screen shows %v, want the question for a unit", now)
	}
	return t.screen.touch(ctx, "/unit", "unit", label[2:])
}

// openFor asks for a door for a unit and waits until the lock reports it open.
func (t *tour) openFor(ctx context.Context, label, size string) (door string, err error) {
	if _, err := t.unit(ctx, label); err != nil {
		return "", err
	}
	if _, err := t.screen.touch(ctx, "/size", "size", size); err != nil {
		return "", err
	}
	if _, err := t.screen.touch(ctx, "/open"); err != nil {
		return "", err
	}
	open, err := t.screen.wait(ctx, "door", "open")
	return open["door"], err
}

// drop delivers one parcel and returns its door; the courier is signed in before and after.
func (t *tour) drop(ctx context.Context, label, size string) (door string, err error) {
	if door, err = t.openFor(ctx, label, size); err != nil {
		return "", err
	}
	for _, action := range []string{"put", "close"} {
		if err := t.hand.door(ctx, door, action); err != nil {
			return door, err
		}
	}
	if _, err := t.screen.wait(ctx, "inside", ""); err != nil {
		return door, err
	}
	_, err = t.screen.touch(ctx, "/inside", "answer", "inside")
	return door, err
}

// visit is a whole courier's visit: one parcel for each unit.
func (t *tour) visit(ctx context.Context, labels ...string) (doors []string, err error) {
	if _, err := t.signInCourier(ctx); err != nil {
		return nil, err
	}
	for _, label := range labels {
		door, err := t.drop(ctx, label, "S")
		if err != nil {
			return doors, fmt.Errorf("deliver to %s: %w", label, err)
		}
		doors = append(doors, door)
	}
	if _, err := t.screen.touch(ctx, "/finish"); err != nil {
		return doors, err
	}
	return doors, t.screen.home(ctx)
}

// ask types a unit and a code of the kind pin or household.
func (t *tour) ask(ctx context.Context, label, kind, code string) (shown, error) {
	if err := t.screen.home(ctx); err != nil {
		return nil, err
	}
	if _, err := t.screen.touch(ctx, "/collect"); err != nil {
		return nil, err
	}
	if _, err := t.unit(ctx, label); err != nil {
		return nil, err
	}
	if kind == "household" {
		if _, err := t.screen.touch(ctx, "/household"); err != nil {
			return nil, err
		}
	}
	return t.screen.touch(ctx, "/digits", "digits", code)
}

// fetch collects everything that waits for a unit and returns the doors.
func (t *tour) fetch(ctx context.Context, label, kind, code string) (doors []string, err error) {
	if _, err := t.ask(ctx, label, kind, code); err != nil {
		return nil, err
	}
	for {
		open, err := t.screen.wait(ctx, "door", "open")
		if err != nil {
			return doors, err
		}
		doors = append(doors, open["door"])
		for _, action := range []string{"take", "close"} {
			if err := t.hand.door(ctx, open["door"], action); err != nil {
				return doors, err
			}
		}
		var after shown
		err = until(ctx, "the next door or the thanks", func() (bool, any, error) {
			after, err = t.screen.look(ctx)
			return err == nil && (after["screen"] == "next" || after["screen"] == "thanks" || after["screen"] == "idle"), after, err
		})
		if err != nil {
			return doors, err
		}
		if after["screen"] != "next" {
			return doors, t.screen.home(ctx)
		}
		if _, err := t.screen.touch(ctx, "/open"); err != nil {
			return doors, err
		}
	}
}

// pin waits until a household sees the PIN of the parcel behind a door.
func (t *tour) pin(ctx context.Context, p person, door string) (parcelSeen, error) {
	var found parcelSeen
	err := until(ctx, "the PIN of door "+door, func() (bool, any, error) {
		all, err := p.parcels(ctx, t.site, "waiting")
		for _, one := range all {
			if fmt.Sprint(one.Door) == door && one.PIN != "" {
				found = one
			}
		}
		return err == nil && found.PIN != "", all, err
	})
	if found.PIN != "" {
		t.secrets[found.PIN] = "parcel " + found.ID
	}
	return found, err
}

// level waits until the cloud has everything that the gateway has.
func (t *tour) level(ctx context.Context) (boxSeen, error) {
	var box boxSeen
	err := until(ctx, "gateway and cloud to be level", func() (bool, any, error) {
		var err error
		if box, err = t.manager.box(ctx, t.d.Box()); err != nil {
			return false, nil, err
		}
		health, err := t.health(ctx)
		if err != nil {
			return false, box, err
		}
		same, err := t.d.levelWith(ctx, health.Log)
		return err == nil && same, box, err
	})
	return box, err
}
