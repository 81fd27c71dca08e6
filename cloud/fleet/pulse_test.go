package fleet_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/fleet/fleettest"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// site is a cloud with one box, and the content of its state document.
type site struct {
	*testing.T
	db       *store.DB
	fleet    *fleet.Fleet
	box      *fleettest.Box
	now      time.Time
	couriers wire.Couriers
	err      error
}

func (s *site) Parts(context.Context, *store.Tx, string) ([]fleet.NamedPart, error) {
	units := wire.Households{Units: []wire.Unit{{ID: "u-1", Label: "A-1"}, {ID: "u-2", Label: "A-2"}}}
	return []fleet.NamedPart{{Name: wire.PartHouseholds, Value: units}, {Name: wire.PartCouriers, Value: s.couriers}}, s.err
}

func newSite(t *testing.T, db *store.DB) *site {
	t.Helper()
	keys, set := fleettest.Keys(t)
	s := &site{T: t, db: db, box: fleettest.New(t, "gw-1"), now: time.UnixMicro(1_790_000_000_000_000)}
	s.box.Keys = set
	s.fleet = fleet.New(db, keys, fleet.Options{Sources: []fleet.PartSource{s}})
	s.must(fleet.Migrate(t.Context(), db))
	s.write(func(tx *store.Tx) error {
		return errors.Join(s.fleet.RegisterSite(t.Context(), tx, fleet.Site{ID: "site-1", Name: "site"}, s.now),
			s.fleet.RegisterGateway(t.Context(), tx, fleet.Gateway{ID: "gw-1", Site: "site-1", EventKey: s.box.Public()}, s.now))
	})
	return s
}

func (s *site) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *site) write(fn func(*store.Tx) error) { s.Helper(); s.must(s.db.Write(s.Context(), fn)) }

// beat sends one pulse a minute later.
func (s *site) beat(pulse []byte) []fleet.Message {
	s.Helper()
	s.now = s.now.Add(time.Minute)
	out, err := s.fleet.Pulse(s.Context(), "gw-1", pulse, s.now)
	s.must(err)
	return out
}

func (s *site) health() (h fleet.Health) {
	s.Helper()
	s.write(func(tx *store.Tx) (err error) { h, err = s.fleet.Health(s.Context(), tx, "gw-1"); return err })
	return h
}

// reported are a gateway's devices as known, without when they were heard of.
func reported(h fleet.Health) (all []wire.DeviceHealth) {
	for _, d := range h.Devices {
		all = append(all, d.DeviceHealth)
	}
	return all
}

// A box that holds nothing gets the key set, the root and all parts; one that lacks a part gets that; one that has all of
// it gets an answer and nothing else.
func TestPulseBringsWhatIsLacking(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		s := newSite(t, open())
		out := s.beat(s.box.Pulse())
		a := s.box.Take(out)
		set, root, version, parts := s.box.Documents(out)
		if set == nil || root == nil || a.State != version || len(parts) != 6 || a.KeySet != 1 || a.Epoch != 1 || a.Time != wire.At(s.now) {
			t.Fatalf("a new box gets set %v, root %v, %d parts, answer %+v", set, root, len(parts), a)
		}
		for _, ref := range root.Parts {
			if parts[ref.Hash] == nil {
				t.Errorf("part %s of the root is not sent", ref.Name)
			}
		}
		s.box.KeySet, s.box.State = 1, version
		if out = s.beat(s.box.Pulse()); len(out) != 1 {
			t.Errorf("a box that has all gets %d messages, want its answer", len(out))
		}
		s.box.Take(out)
		s.couriers.Couriers = []wire.Courier{{ID: "c-1"}}
		s.must(s.fleet.Change(t.Context(), "site-1", s.now, func(*store.Tx) error { return nil }))
		if out = s.beat(s.box.Pulse()); len(out) != 3 {
			t.Errorf("after a change a box gets %d messages, want answer, root and one part", len(out))
		}
		a = s.box.Take(out)
		_, root, _, _ = s.box.Documents(out)
		for _, ref := range root.Parts {
			s.box.Missing = append(s.box.Missing, ref.Hash)
		}
		s.box.State = a.State
		if _, _, _, parts = s.box.Documents(s.beat(s.box.Pulse())); len(parts) != len(root.Parts) {
			t.Errorf("a box that lacks %d parts gets %d", len(root.Parts), len(parts))
		}
	})
}

// A box that has met a version this database does not know, or another document of that version, gets one above it.
func TestVersionAboveWhatABoxHasMet(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		s := newSite(t, open())
		a := s.box.Take(s.beat(s.box.Pulse()))
		s.box.State = wire.StateVersion{Version: a.State.Version, Hash: wire.Hash{7}}
		b := s.box.Take(s.beat(s.box.Pulse()))
		if b.State.Version <= a.State.Version {
			t.Errorf("another document at version %d: wanted %d", a.State.Version, b.State.Version)
		}
		s.box.State = wire.StateVersion{Version: b.State.Version + 1<<40, Hash: wire.Hash{8}}
		c := s.box.Take(s.beat(s.box.Pulse()))
		if c.State.Version != s.box.State.Version+1 {
			t.Errorf("a box at version %d: wanted %d", s.box.State.Version, c.State.Version)
		}
	})
}

// Trouble with the state document must not keep the answer back.
func TestAnswerWithoutDocument(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		s := newSite(t, open())
		s.err = errors.New("out of order")
		if a := s.box.Take(s.beat(s.box.Pulse())); a.State.Version != 0 || a.Epoch != 1 {
			t.Errorf("answer %+v", a)
		}
		s.err = nil
		if a := s.box.Take(s.beat(s.box.Pulse())); a.State.Version == 0 {
			t.Error("no document once its source is well")
		}
	})
}

// A pulse that comes late or again says nothing of health, and is answered; a box whose disk went back is heard as soon as
// it echoes an answer.
func TestPulseOrder(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		s := newSite(t, open())
		if st, _ := s.health().State(s.now); st != fleet.NeverSeen {
			t.Errorf("state %s before any pulse", st)
		}
		old := s.box.Copy()
		old.Boot = s.box.Boot
		late := s.box.Pulse()
		s.box.Health.Undelivered = 7
		s.box.Health.Devices = []wire.DeviceHealth{{ID: "board/1", Kind: "locker_board", Online: true, At: 5}}
		s.box.Take(s.beat(s.box.Pulse()))
		newest := s.now
		for range 2 {
			if out := s.beat(late); len(out) == 0 {
				t.Error("a late pulse is not answered")
			}
		}
		if h := s.health(); h.Counter != 2 || h.Undelivered != 7 || h.AsOf != wire.At(newest) || !slices.Equal(reported(h), s.box.Health.Devices) {
			t.Errorf("after a late pulse: %+v", h)
		}
		if st, reasons := s.health().State(newest); st != fleet.Online {
			t.Errorf("state %s %v", st, reasons)
		}
		s.beat(s.box.Will(99))
		if st, _ := s.health().State(s.now); st != fleet.Offline {
			t.Errorf("state %s after the will", st)
		}
		old.Take(s.beat(old.Pulse()))
		if h := s.health(); h.Gone == 0 {
			t.Errorf("a pulse that counts from before is taken for a new one: %+v", h)
		}
		old.Take(s.beat(old.Pulse()))
		if h := s.health(); h.Gone != 0 || h.Undelivered != 0 {
			t.Errorf("a box that echoes an answer is not heard: %+v", h)
		}
	})
}

// Every answer's serial is greater than all before it, those of registrations too. // invariant 3
func TestAnswersGrow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		s := newSite(t, open())
		last := ""
		for n := range 5 {
			if n == 3 {
				s.box.Start(2, "fork", nil)
			}
			s.now = s.now.Add(-time.Hour) // a clock set back
			if a := s.box.Take(s.beat(s.box.Pulse())); a.Serial <= last {
				t.Errorf("serial %s after %s", a.Serial, last)
			} else {
				last = a.Serial
			}
		}
	})
}
