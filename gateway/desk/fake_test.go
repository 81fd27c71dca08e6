package desk

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/parcels"
)

var _ Parcels = (*parcels.Service)(nil)

// fake is a parcels service that behaves, as far as the desk can see it.
type fake struct {
	mu     sync.Mutex
	office parcels.Office
	codes  map[string]parcels.Guard // by code
	guards map[string]parcels.Guard // by session
	serial int
	calls  []string
	err    error
}

func newFake(now time.Time) *fake {
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	return &fake{
		codes: map[string]parcels.Guard{
			"11112222": {ID: "g-1", Masked: "林○華", Until: now.Add(12 * time.Hour)},
			"33334444": {ID: "g-2", Masked: "陳○明", Until: now.Add(12 * time.Hour)},
		},
		guards: map[string]parcels.Guard{},
		office: parcels.Office{
			Now: now, Clock: "ok",
			Compartments: []parcels.Compartment{
				{ID: "A-3", Bank: "A", Number: 3, Content: "needs_check", Service: "in", Door: "closed", Why: "forced", Since: ago(time.Hour)},
				{ID: "A-6", Bank: "A", Number: 6, Content: "occupied", Parcel: "p-6", Service: "in", Door: "closed"},
				{ID: "A-18", Bank: "A", Number: 18, Content: "vacant", Service: "in", Door: "closed"},
				{ID: "A-21", Bank: "A", Number: 21, Content: "vacant", Service: "lock_fault", Door: "unknown"},
			},
			Parcels: []parcels.Parcel{
				{ID: "p-6", State: "overdue", Unit: "B-7-1", Compartment: "A-6", StoredAt: ago(80 * time.Hour)},
				{ID: "p-9", State: "moved_to_office", Unit: "A-12-3", Shelf: "B-14", StoredAt: ago(100 * time.Hour)},
			},
			Tasks: []parcels.Task{
				{Kind: parcels.TaskForced, Compartment: "A-3", Number: 3, Since: ago(time.Hour)},
				{Kind: parcels.TaskOut, Compartment: "A-21", Number: 21, Since: ago(30 * time.Hour)},
				{Kind: parcels.TaskOverdue, Compartment: "A-6", Number: 6, Parcel: "p-6", Unit: "B-7-1", Since: ago(8 * time.Hour)},
			},
			Locked: []parcels.Locked{{Unit: "C-4-2", Until: now.Add(4 * time.Minute)}},
		},
	}
}

func (f *fake) did(session, format string, args ...any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return f.err
	}
	g, ok := f.guards[session]
	if !ok {
		return parcels.ErrSession
	}
	f.calls = append(f.calls, g.ID+" "+fmt.Sprintf(format, args...))
	return nil
}

func (f *fake) SignIn(_ context.Context, code string) (parcels.Verdict, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g, ok := f.codes[code]
	if !ok {
		return parcels.Verdict{Reason: "wrong", Left: 4}, nil
	}
	f.serial++
	session := fmt.Sprintf("session-%d", f.serial)
	f.guards[session] = g
	return parcels.Verdict{Visit: session}, nil
}

func (f *fake) SignOut(_ context.Context, session string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.guards, session)
	return nil
}

func (f *fake) Guard(session string) (parcels.Guard, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g, ok := f.guards[session]
	return g, ok
}

func (f *fake) set(compartment string, change func(*parcels.Compartment)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.office.Compartments, func(c parcels.Compartment) bool { return c.ID == compartment })
	change(&f.office.Compartments[i])
}

func (f *fake) OpenDoor(_ context.Context, session, compartment, reason string) error {
	if err := f.did(session, "open %s %s", compartment, reason); err != nil {
		return err
	}
	f.set(compartment, func(c *parcels.Compartment) { c.Content = "opening" })
	return nil
}

func (f *fake) Inspect(_ context.Context, session, compartment string, found parcels.Found, reason string) error {
	return f.did(session, "inspect %s %s %s", compartment, found, reason)
}

func (f *fake) PutOut(_ context.Context, session, compartment, reason string) error {
	return f.did(session, "put out %s %q", compartment, reason)
}

func (f *fake) ToOffice(_ context.Context, session, parcel, shelf, reason string) error {
	return f.did(session, "office %s %s %s", parcel, shelf, reason)
}

func (f *fake) HandOver(_ context.Context, session, parcel, pin, reason string) (parcels.Verdict, error) {
	if pin != "" && pin != "471903" {
		return parcels.Verdict{Reason: "wrong", Left: 3}, nil
	}
	return parcels.Verdict{}, f.did(session, "hand %s %s", parcel, reason)
}

func (f *fake) SendBack(_ context.Context, session, parcel, reason string) error {
	return f.did(session, "back %s %s", parcel, reason)
}

func (f *fake) UnlockUnit(_ context.Context, session, unit, reason string) error {
	return f.did(session, "unlock %s %s", unit, reason)
}

func (f *fake) NextCode(_ context.Context, session, unit, reason string) (parcels.Code, error) {
	if unit == "Z-1-1" {
		return "", parcels.ErrNoUnit
	}
	return "80217764", f.did(session, "mint %s %s", unit, reason)
}

func (f *fake) ConfirmClock(_ context.Context, session string, t time.Time, reason string) error {
	return f.did(session, "clock %s %s", t.UTC().Format(time.RFC3339), reason)
}

func (f *fake) Office() parcels.Office {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := f.office
	o.Compartments = slices.Clone(o.Compartments)
	return o
}
