package store

import (
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens a store in a folder of the test, without syncs unless asked for.
func open(t testing.TB, path string, o Options) *Store {
	t.Helper()
	o.Gateway = "site-1"
	s, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func file(t testing.TB) string { return filepath.Join(t.TempDir(), "gateway.db") }

func event(kind string) wire.Event {
	return wire.Event{Type: kind, Subject: "compartment/A-1", Wall: 1_700_000_000_000_000, Clock: wire.FromNTP, Boot: 1}
}

func update(t testing.TB, s *Store, fn func(*Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func view(t testing.TB, s *Store, fn func(*Tx) error) {
	t.Helper()
	if err := s.View(fn); err != nil {
		t.Fatal(err)
	}
}

func TestOpenStartsEpochOne(t *testing.T) {
	s := open(t, file(t), Options{NoSync: true})
	view(t, s, func(tx *Tx) error {
		b, err := tx.Block(1, wire.Audit, 1, 1, 10, 1<<20)
		if err != nil {
			return err
		}
		ev, err := wire.DecodeEvent(b.Events[0])
		if err != nil {
			return err
		}
		if ev.Type != wire.EpochStarted || ev.Boot != 1 || len(b.Events) != 1 {
			t.Errorf("first block = %+v with %+v; want one epoch.started of boot 1", b, ev)
		}
		return nil
	})
}
