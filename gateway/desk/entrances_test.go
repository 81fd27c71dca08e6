package desk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/doors"
)

var _ Entrances = (*entrances)(nil)

// entrances is a doors service that behaves, as far as the desk can see it.
type entrances struct {
	mu     sync.Mutex
	view   doors.View
	says   doors.Verdict // to who is to be let in
	err    error
	serial int
	calls  []string
}

func newEntrances(now time.Time) *entrances {
	return &entrances{view: doors.View{Now: now, Clock: "ok", Doors: []doors.Door{
		{ID: "pool", Name: "游泳池", English: "Swimming pool", State: doors.Secured, Online: true, AsOf: now, Contact: "closed"},
		{ID: "ktv", Name: "視聽室", English: "KTV room", State: doors.Secured, Online: true, AsOf: now, Contact: "closed", ClosedDown: true, Reason: "cleaning"},
		{ID: "gym", Name: "健身房", English: "Gym", State: doors.Forced, Since: now.Add(-time.Hour), Online: true, AsOf: now, Contact: "open"},
		{ID: "car", Name: "B1 停車場東側人行門", English: "Pedestrian door, car park B1 east", State: doors.Secured, AsOf: now.Add(-47 * time.Minute), Contact: "unknown"},
	}}}
}

// do takes what a guard asks for one door, if it can be; e.mu guards all of it.
func (e *entrances) do(door, guard, what, reason string, change func(*doors.Door) bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := slices.IndexFunc(e.view.Doors, func(d doors.Door) bool { return d.ID == door })
	switch {
	case e.err != nil:
		return e.err
	case i < 0:
		return doors.ErrUnknown
	}
	d := e.view.Doors[i]
	if !change(&d) {
		return doors.ErrNotNow
	}
	e.view.Doors = slices.Clone(e.view.Doors)
	e.view.Doors[i] = d
	e.calls = append(e.calls, fmt.Sprintf("%s %s %s %s", guard, what, door, reason))
	return nil
}

func (e *entrances) CloseDown(_ context.Context, door, guard, reason string) error {
	return e.do(door, guard, "close", reason, func(d *doors.Door) bool {
		was := d.ClosedDown
		d.ClosedDown, d.Reason = true, reason
		return !was
	})
}

func (e *entrances) Reopen(_ context.Context, door, guard, reason string) error {
	return e.do(door, guard, "reopen", reason, func(d *doors.Door) bool {
		was := d.ClosedDown
		d.ClosedDown, d.Reason = false, ""
		return was
	})
}

func (e *entrances) Clear(_ context.Context, door, guard, reason string) error {
	return e.do(door, guard, "clear", reason, func(d *doors.Door) bool {
		was := d.State
		d.State = doors.Secured
		return was == doors.Forced
	})
}

func (e *entrances) OpenFor(_ context.Context, door, guard, reason string) (doors.Verdict, error) {
	if e.says.Reason != "" {
		return e.says, nil
	}
	e.serial++
	intent := fmt.Sprintf("intent-%d", e.serial)
	return doors.Verdict{Intent: intent}, e.do(door, guard, "open", reason, func(d *doors.Door) bool {
		d.Intent, d.Outcome = intent, doors.Opening
		return true
	})
}

func (e *entrances) View() doors.View {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.view
}

func (e *entrances) set(door string, change func(*doors.Door)) {
	_ = e.do(door, "", "", "", func(d *doors.Door) bool { change(d); return true })
}

func (b *browser) atDoors(want ...string) {
	b.t.Helper()
	if !slices.Equal(b.doors.calls, want) {
		b.t.Errorf("the doors were asked %q; want %q", b.doors.calls, want)
	}
}

func TestDoorsOfFacilities(t *testing.T) {
	b := open(t)
	b.signIn()
	b.get("/doors")
	b.want(200, "page", "doors")
	for _, s := range []string{`data-door="pool" data-state="secured"`, `data-door="ktv" data-state="secured" data-closed`, `data-door="gym" data-state="forced"`,
		`data-door="car" data-state="secured" data-silent`, "「視聽室」已關閉", "17:55 的狀況", "門關著"} {
		if !strings.Contains(b.body, s) {
			t.Errorf("the list of doors does not say %q", s)
		}
	}
	b.post("/doors/pool/close", "reason", "safety")
	b.want(303, "page", "entrance", "id", "pool")
	if _, closed := b.main["closed"]; !closed || !strings.Contains(b.body, "「游泳池」已關閉") || !strings.Contains(b.body, "安全考量") {
		t.Error("the closure is not shown")
	}
	b.post("/doors/pool/reopen", "reason", "looked")
	b.want(303, "page", "entrance")
	if _, closed := b.main["closed"]; closed {
		t.Error("the door is still shown as closed")
	}
	b.post("/doors/gym/clear", "reason", "looked")
	b.want(303, "state", "secured")
	b.post("/doors/pool/open", "reason", "visitor", "code", "11112222")
	b.want(303, "id", "pool", "outcome", "opening")
	b.doors.set("pool", func(d *doors.Door) { d.Outcome = doors.Unopened })
	b.get("/doors/pool")
	b.want(200, "outcome", "unopened")
	b.did()
	if want := []string{"g-1 close pool safety", "g-1 reopen pool looked", "g-1 clear gym looked", "g-1 open pool visitor"}; !slices.Equal(b.doors.calls[:4], want) {
		t.Errorf("the doors were asked %q; want %q", b.doors.calls, want)
	}
}

// Whom the service does not let in is told why, and nothing was opened.
func TestNotReleased(t *testing.T) {
	for reason, says := range map[string]string{
		doors.ClosedDown: "請先恢復使用", doors.Silent: "請到現場開門", doors.Crowded: "請等一分鐘", doors.AlreadyOpen: "門本來就開著", "invented": "請看目前的狀況",
	} {
		b := open(t)
		b.signIn()
		b.doors.says = doors.Verdict{Reason: reason}
		b.post("/doors/pool/open", "reason", "resident", "code", "11112222")
		b.want(http.StatusConflict, "page", "entrance", "error", reason)
		if !strings.Contains(b.body, says) {
			t.Errorf("%s: the page does not say %q", reason, says)
		}
		b.atDoors()
	}
}

// Doors that wait for a guard stand in the list before parcels, and a closure above all.
func TestDoorsAreTasks(t *testing.T) {
	b := open(t)
	b.signIn()
	b.doors.set("pool", func(d *doors.Door) { d.State = doors.LeftOpen })
	b.get("/")
	at := -1
	for _, s := range []string{`data-closure="ktv"`, `data-task="forced" data-door="gym"`, `data-task="left_open" data-door="pool"`, `data-task="silent" data-door="car"`, `data-task="forced" data-compartment="A-3"`} {
		i := strings.Index(b.body, s)
		if i < at {
			t.Errorf("%s stands at %d, not after %d", s, i, at)
		}
		at = i
	}
	if !strings.Contains(b.body, "6 件") {
		t.Error("the tasks are not counted together")
	}
}

func TestWithoutDoors(t *testing.T) {
	b := open(t)
	b.doors.view.Doors = nil
	b.signIn()
	if strings.Contains(b.body, `href="/doors"`) {
		t.Error("a tab leads to no doors")
	}
	b.d = New(b.f, nil, os.DirFS("."), Options{Hosts: []string{"desk.example"}})
	b.cookies = map[string]*http.Cookie{}
	b.signIn()
	for _, path := range []string{"/doors", "/doors/pool"} {
		if b.get(path); b.code != http.StatusNotFound {
			t.Errorf("%s answers %d; want 404", path, b.code)
		}
	}
}

func TestErrorsOfDoorsAreSaid(t *testing.T) {
	for err, want := range map[error]string{
		doors.ErrNotNow: "moved", doors.ErrUnknown: "moved", doors.ErrBad: "form", doors.ErrStopped: "trouble", errors.New("disk"): "trouble",
	} {
		b := open(t)
		b.signIn()
		b.doors.err = err
		b.post("/doors/pool/close", "reason", "fault")
		if b.main["error"] != want {
			t.Errorf("%v is shown as %q; want %q", err, b.main["error"], want)
		}
	}
}
