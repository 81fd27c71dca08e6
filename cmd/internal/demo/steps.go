package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// deliver is step 1: two deposits, seen as latch frames on the wire; the PINs reach their households and nobody else.
func (t *tour) deliver(ctx context.Context) error {
	before, err := t.hand.unlocks(ctx)
	if err != nil {
		return err
	}
	doors, err := t.visit(ctx, t.chenHome.Unit, t.linHome.Unit)
	if err != nil {
		return err
	}
	after, err := t.hand.unlocks(ctx)
	if err != nil {
		return err
	}
	if after-before != 2 {
		return fmt.Errorf("%d unlock frames on the wire for 2 deposits", after-before)
	}
	mine, err := t.pin(ctx, t.chen, doors[0])
	if err != nil {
		return err
	}
	if _, err := t.pin(ctx, t.lin, doors[1]); err != nil {
		return err
	}
	others, err := t.lin.parcels(ctx, t.site, "waiting")
	if err != nil {
		return err
	}
	for _, p := range others {
		if p.ID == mine.ID {
			return errors.New("a household sees another's parcel")
		}
	}
	places, err := t.d.leaks(t.secrets)
	t.seen["doors"], t.seen["unlock_frames"], t.seen["places_searched_for_codes"] = doors, after-before, places
	return err
}

// collect is step 2.
func (t *tour) collect(ctx context.Context) error {
	waiting, err := t.chen.parcels(ctx, t.site, "waiting")
	if err != nil || len(waiting) == 0 {
		return fmt.Errorf("%d parcels wait for %s: %w", len(waiting), t.chenHome.Unit, err)
	}
	pin := waiting[0].PIN
	refused, err := t.ask(ctx, t.chenHome.Unit, "pin", otherThan(pin))
	if err != nil {
		return err
	}
	if refused["error"] != "wrong" {
		return fmt.Errorf("a wrong PIN leads to %v", refused)
	}
	doors, err := t.fetch(ctx, t.chenHome.Unit, "pin", pin)
	if err != nil {
		return err
	}
	if err := until(ctx, "the parcel to be collected in the cloud", func() (bool, any, error) {
		ended, err := t.chen.parcels(ctx, t.site, "ended")
		return err == nil && len(ended) == 1 && ended[0].How == "sensor", ended, err
	}); err != nil {
		return err
	}
	if err := until(ctx, "the wrong guess to be in the log", func() (bool, any, error) {
		n, err := t.events(ctx, wire.GrantRefused)
		return n == 1, n, err
	}); err != nil {
		return err
	}
	// The next courier gets that door, so that it is not opened again for who has just collected from it.
	again, err := t.visit(ctx, t.linHome.Unit)
	if err != nil {
		return err
	}
	if _, err := t.pin(ctx, t.lin, again[0]); err != nil {
		return err
	}
	used, err := t.ask(ctx, t.chenHome.Unit, "pin", pin)
	if err != nil {
		return err
	}
	if used["screen"] != "used" || !slices.Equal(doors, again) {
		return fmt.Errorf("a used PIN of door %v, which is now %v, leads to %v", doors, again, used)
	}
	t.seen["door"], t.seen["wrong"], t.seen["used"] = doors[0], refused["error"], used["screen"]
	return t.screen.home(ctx)
}

func otherThan(pin string) string {
	if pin == "000000" {
		return "000001"
	}
	return "000000"
}

func (t *tour) events(ctx context.Context, kind string) (int, error) {
	var list struct {
		Items []json.RawMessage `json:"items"`
	}
	err := t.manager.get(ctx, "/v1/events?limit=200&site="+t.site+"&type="+kind, &list)
	return len(list.Items), err
}

// cutOff is step 3.
func (t *tour) cutOff(ctx context.Context) error {
	var doors, more []string
	if err := t.during(ctx, 3*time.Second, t.d.Link.Cut, func() (err error) {
		doors, err = t.visit(ctx, t.chenHome.Unit)
		return err
	}); err != nil {
		return fmt.Errorf("with the link cut: %w", err)
	}
	if _, err := t.fetch(ctx, t.chenHome.Unit, "household", t.chenCode); err != nil {
		return fmt.Errorf("with the link cut: %w", err)
	}
	// and the broker in it: it comes back empty
	if err := t.during(ctx, 3*time.Second, t.d.Cloud.Kill, func() (err error) {
		more, err = t.visit(ctx, t.chenHome.Unit)
		return err
	}); err != nil {
		return fmt.Errorf("without the cloud: %w", err)
	}
	if _, err := t.d.Cloud.Start(ctx); err != nil {
		return err
	}
	t.d.Link.Mend()
	if _, err := t.level(ctx); err != nil {
		return err
	}
	l, err := t.d.ledger(ctx)
	if err != nil {
		return err
	}
	t.seen["doors"], t.seen["events"], t.seen["segments"] = append(doors, more...), len(l.events), len(l.positions)
	if err := l.check(); err != nil {
		return err
	}
	_, err = t.pin(ctx, t.chen, more[0])
	return err
}

// killed is step 4: power goes between the intent and its outcome.
func (t *tour) killed(ctx context.Context) error {
	if _, err := t.signInCourier(ctx); err != nil {
		return err
	}
	if _, err := t.unit(ctx, t.linHome.Unit); err != nil {
		return err
	}
	if _, err := t.screen.touch(ctx, "/size", "size", "M"); err != nil {
		return err
	}
	before, err := t.hand.state(ctx)
	if err != nil {
		return err
	}
	opening, err := t.screen.touch(ctx, "/open")
	if err != nil {
		return err
	}
	var during buildingState
	if err := until(ctx, "the latch to be energised", func() (bool, any, error) {
		during, err = t.hand.state(ctx)
		return err == nil && during.Banks[0].Pulses > before.Banks[0].Pulses, during.Banks[0].Pulses, err
	}); err != nil {
		return err
	}
	if err := t.strike(ctx, 300*time.Millisecond); err != nil { // the outcome comes after 600
		return err
	}
	t.d.Gateway.Kill()
	if err := until(ctx, "the door to spring open", func() (bool, any, error) {
		during, err = t.hand.state(ctx)
		return err == nil && during.Banks[0].Openings > before.Banks[0].Openings, during.Banks[0].Openings, err
	}); err != nil {
		return err
	}
	if _, err := t.d.Gateway.Start(ctx); err != nil {
		return err
	}
	door := opening["door"]
	var found compartmentSeen
	if err := until(ctx, "the open door to be found and recorded", func() (bool, any, error) {
		found, err = t.compartment(ctx, door)
		return err == nil && found.Content == "open" && found.Door == "open", found, err
	}); err != nil {
		return err
	}
	if _, err := t.level(ctx); err != nil {
		return err
	}
	after, err := t.hand.state(ctx)
	if err != nil {
		return err
	}
	t.seen["door"], t.seen["pulses_before"], t.seen["pulses_after"], t.seen["recorded"] = door, before.Banks[0].Pulses, after.Banks[0].Pulses, found
	if after.Banks[0].Pulses != before.Banks[0].Pulses+1 {
		return fmt.Errorf("%d pulses for one intent", after.Banks[0].Pulses-before.Banks[0].Pulses)
	}
	return t.finishDeposit(ctx, door)
}

// finishDeposit lets the courier of step 4 come back: the screen asks him about that door first.
func (t *tour) finishDeposit(ctx context.Context, door string) error {
	if err := t.hand.door(ctx, door, "put"); err != nil {
		return err
	}
	if _, err := t.signInCourier(ctx); err != nil {
		return err
	}
	if err := t.hand.door(ctx, door, "close"); err != nil {
		return err
	}
	asked, err := t.screen.wait(ctx, "inside", "")
	if err != nil {
		return err
	}
	if asked["door"] != door {
		return fmt.Errorf("the screen asks about door %s, want %s", asked["door"], door)
	}
	if _, err := t.screen.touch(ctx, "/inside", "answer", "inside"); err != nil {
		return err
	}
	if _, err := t.screen.touch(ctx, "/finish"); err != nil {
		return err
	}
	if err := t.screen.home(ctx); err != nil {
		return err
	}
	_, err = t.pin(ctx, t.lin, door)
	return err
}

type compartmentSeen struct {
	Content string `json:"content"`
	Door    string `json:"door"`
	Item    string `json:"item"`
	Why     string `json:"why"`
}

// compartment reads the newest state of a compartment from the cloud's log.
func (t *tour) compartment(ctx context.Context, door string) (compartmentSeen, error) {
	l, err := t.d.ledger(ctx)
	if err != nil {
		return compartmentSeen{}, err
	}
	var newest compartmentSeen
	var at [2]uint64
	for _, e := range l.events {
		event, err := wire.DecodeEvent(e.bytes)
		if err != nil {
			return newest, err
		}
		if event.Subject == "compartment/A-"+strings.TrimLeft(door, "0") && (e.Epoch > at[0] || e.Epoch == at[0] && event.Version >= at[1]) && len(event.State) > 0 {
			at = [2]uint64{e.Epoch, event.Version}
			if err := json.Unmarshal(event.State, &newest); err != nil {
				return newest, err
			}
		}
	}
	return newest, nil
}
