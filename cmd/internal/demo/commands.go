package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// held is how long the broker holds back what it holds back: longer than a challenge lives.
const held = 20 * time.Second

type commandSeen struct {
	ID    string `json:"id"`
	State string `json:"state"`
	Code  string `json:"code"`
}

// stepUp signs a person in once more, as what opens doors demands.
func (p person) stepUp(ctx context.Context, account string) error {
	code, page, at, err := fetch(ctx, p.http, http.MethodGet, p.base+"/auth/login?step_up=1&next=/", nil, nil)
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("sign-in page: %d %.200s", code, page)
	}
	if err != nil {
		return err
	}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	code, page, _, err = fetch(ctx, p.http, http.MethodPost, at.String(), header, strings.NewReader(url.Values{"account": {account}}.Encode()))
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("sign in anew as %s: %d %.200s", account, code, page)
	}
	return err
}

// open asks for a door to be opened from afar.
func (t *tour) open(ctx context.Context, door string) (c commandSeen, err error) {
	err = t.manager.once(ctx, "/v1/doors/"+door+"/open", map[string]string{"site": t.site, "why": "visitor"}, &c)
	return c, err
}

// command reads what became of a command, until it is one of these states.
func (t *tour) command(ctx context.Context, id string, states ...string) (c commandSeen, err error) {
	err = until(ctx, "command to be "+strings.Join(states, " or "), func() (bool, any, error) {
		err := t.manager.get(ctx, "/v1/commands/"+id, &c)
		return err == nil && slices.Contains(states, c.State), c, err
	})
	return c, err
}

// signed waits until the tap has seen the signed command of an id.
func (t *tour) signed(ctx context.Context, id string) (found Command, err error) {
	err = until(ctx, "the signed command to come down", func() (bool, any, error) {
		for _, c := range t.d.Tap.Commands() {
			var doc wire.Command
			if wire.Peek(c.Payload, &doc) == nil && doc.Doc == "command" && doc.ID == id {
				found = c
				return true, nil, nil
			}
		}
		return false, len(t.d.Tap.Commands()), nil
	})
	return found, err
}

// fromAfar is step 10: a manager opens a door; whatever else whoever owns the broker makes of it opens nothing.
func (t *tour) fromAfar(ctx context.Context) error {
	if _, err := t.open(ctx, "ktv"); err == nil || !strings.Contains(err.Error(), "step_up") {
		return fmt.Errorf("without signing in anew: %w", err)
	}
	if err := t.manager.stepUp(ctx, "manager"); err != nil {
		return err
	}
	before, err := t.hand.state(ctx)
	if err != nil {
		return err
	}
	asked := time.Now()
	good, err := t.open(ctx, "ktv")
	if err != nil {
		return err
	}
	if err := t.walk(ctx, "ktv"); err != nil {
		return err
	}
	if _, err := t.command(ctx, good.ID, "opened"); err != nil {
		return err
	}
	t.seen["opened_after_seconds"] = time.Since(asked).Seconds()
	opened, err := t.openings(ctx, before)
	if err == nil && opened != (doorCounts{Releases: 1, Openings: 1}) {
		err = fmt.Errorf("for one command: %+v", opened)
	}
	if err != nil {
		return err
	}
	used, err := t.signed(ctx, good.ID)
	if err != nil {
		return err
	}
	if err := t.attack(ctx, used); err != nil {
		return err
	}
	still, err := t.openings(ctx, before)
	t.seen["opened"] = still
	if err == nil && still != opened {
		err = fmt.Errorf("%+v after the attacks, want %+v: somebody's forgery opened a door", still, opened)
	}
	return err
}

// attack does what an owner of the broker could. The request for one door is held back for twenty seconds, and the signed
// command for another; while that one is still fresh, it is altered byte by byte, sent as another message, and sent to
// another building.
func (t *tour) attack(ctx context.Context, used Command) error {
	n := t.d.Next
	for _, p := range []*Process{n.Building, n.Gateway} {
		if _, err := p.Start(ctx); err != nil {
			return err
		}
	}
	if err := until(ctx, "the neighbour to have the keys", func() (bool, any, error) {
		var b boxSeen
		err := t.operator.get(ctx, "/v1/gateways/"+neighbourID, &b)
		return err == nil && b.Applied, b, err
	}); err != nil {
		return err
	}
	counted, err := t.refusals(ctx, t.d.Ports.Metrics)
	if err != nil {
		return err
	}
	t.d.Tap.Hold(func(c Command) time.Duration {
		request := bytes.Contains(c.Payload, []byte(`"doc":"request"`))
		if request == bytes.Contains(c.Payload, []byte(`"device":"door/ktv"`)) {
			return held // the request for one door, the command for the other
		}
		return 0
	})
	defer t.d.Tap.Hold(nil)
	began := time.Now()
	lapses, err := t.open(ctx, "ktv")
	if err != nil {
		return err
	}
	late, err := t.open(ctx, "gym")
	if err != nil {
		return err
	}
	fresh, err := t.signed(ctx, late.ID)
	if err != nil {
		return err
	}
	sent, err := t.forge(used, fresh)
	if err != nil {
		return err
	}
	if err := pause(ctx, time.Until(began.Add(held+2*time.Second))); err != nil {
		return err
	}
	for _, c := range []struct{ id, state string }{{lapses.ID, "lapsed"}, {late.ID, "signed"}} {
		if _, err := t.command(ctx, c.id, c.state); err != nil {
			return err
		}
	}
	after, err := t.refusals(ctx, t.d.Ports.Metrics)
	if err != nil {
		return err
	}
	t.seen["forged"], t.seen["counted"] = sent, sum(after)-sum(counted)
	if got := sum(after) - sum(counted); got < sent+1 { // and the late command
		return fmt.Errorf("%d messages were sent, and %d were counted: %v", sent+1, got, after)
	}
	return t.elsewhere(ctx)
}

// forge sends what must do nothing and returns how much of it went to the box it names.
func (t *tour) forge(used, fresh Command) (sent int, err error) {
	tap := t.d.Tap
	send := func(topic string, payload []byte, retained bool) {
		if err == nil {
			err, sent = tap.Send(topic, payload, retained), sent+1
		}
	}
	send(used.Topic, used.Payload, false)
	send(used.Topic, used.Payload, false)
	send(fresh.Topic, fresh.Payload, true)
	for at := 0; at < len(fresh.Payload); at += 7 {
		altered := bytes.Clone(fresh.Payload)
		altered[at] ^= 1
		send(fresh.Topic, altered, false)
	}
	if serr := t.d.Next.Tap.Send(wire.CommandTopic(neighbourID), fresh.Payload, false); err == nil {
		err = serr
	}
	return sent, err
}

// elsewhere sees that the command for one building did nothing at the other.
func (t *tour) elsewhere(ctx context.Context) error {
	h := hand{"http://" + local(t.d.Ports.NextBuilding), t.hand.http}
	d, err := h.facilityDoor(ctx, "ktv")
	if err != nil {
		return err
	}
	counted, err := t.refusals(ctx, t.d.Ports.NextMetrics)
	if err != nil {
		return err
	}
	t.seen["neighbour"] = map[string]any{"releases": d.Counts.Releases, "counted": counted}
	if d.Counts.Releases != 0 || sum(counted) == 0 {
		return fmt.Errorf("at the neighbour's: %+v, counted %v", d.Counts, counted)
	}
	t.d.Next.Gateway.Stop()
	t.d.Next.Building.Stop()
	return nil
}

// refusals are what a gateway has counted of messages that it did not take.
func (t *tour) refusals(ctx context.Context, port int) (map[string]int, error) {
	b, err := t.metrics(ctx, port)
	all := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^lobby_events_counted_total\{name="([a-z_]+)"\} (\d+)`).FindAllSubmatch(b, -1) {
		name := string(m[1])
		if n, err := strconv.Atoi(string(m[2])); err == nil && (strings.HasPrefix(name, "commands_refused_") || strings.HasSuffix(name, "_dropped")) {
			all[name] = n
		}
	}
	return all, err
}

func (t *tour) metrics(ctx context.Context, port int) ([]byte, error) {
	code, b, _, err := fetch(ctx, t.hand.http, http.MethodGet, "http://"+local(port)+"/metrics", nil, nil)
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("metrics: %d", code)
	}
	return b, err
}

// metric sums a figure of the gateway over all its labels.
func (t *tour) metric(ctx context.Context, name string) (n int, err error) {
	b, err := t.metrics(ctx, t.d.Ports.Metrics)
	found := regexp.MustCompile(`(?m)^`+name+`(?:\{[^}]*\})? (\S+)$`).FindAllSubmatch(b, -1)
	if err == nil && len(found) == 0 {
		err = errors.New("no metric " + name)
	}
	for _, m := range found {
		var one float64
		if json.Unmarshal(m[1], &one) == nil {
			n += int(one)
		}
	}
	return n, err
}

func sum(all map[string]int) (n int) {
	for _, one := range all {
		n += one
	}
	return n
}
