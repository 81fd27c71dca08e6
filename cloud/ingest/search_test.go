package ingest_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// The last events of a gateway are in the order in which they happened there, however they came; telemetry and what is in
// effect under another name are not among them.
func TestRecent(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		w := newWorld(t, open())
		b, other := w.box("gw-1"), w.box("gw-2")
		other.Append(wire.Audit, step("compartment/B", 1))
		w.take("gw-2", other.Backlog(9)...)
		for n := range 3 {
			b.Append(wire.Audit, step("compartment/A", n+1))
			b.Append(wire.Telemetry, step("meter/m", n+1))
			b.Seal(wire.Audit)
		}
		copied := wire.Event{Type: "compartment.changed", Subject: "compartment/C", Version: 1,
			First: &wire.First{Name: wire.Name{Epoch: 1, Stream: wire.Audit, Segment: 9, Seq: 1}, Hash: wire.Hash{7}}}
		b.Append(wire.Audit, copied)
		b.Append(wire.Audit, copied)
		w.take("gw-1", b.Backlog(1)...) // newest segment first
		b.Start(2, "salvage", nil)
		b.Append(wire.Audit, step("compartment/A", 4))
		w.take("gw-1", b.Backlog(1)...)
		for limit, want := range map[int][]string{
			3: {"2/audit/1/2", "2/audit/1/1", "1/audit/4/1"},
			9: {"2/audit/1/2", "2/audit/1/1", "1/audit/4/1", "1/audit/3/1", "1/audit/2/1", "1/audit/1/2", "1/audit/1/1"},
			1: {"2/audit/1/2"},
		} {
			w.read(func(tx *store.Tx) error {
				all, err := w.ingest.Recent(t.Context(), tx, "gw-1", limit)
				var got []string
				for _, l := range all {
					got = append(got, fmt.Sprint(l.Name))
				}
				if !slices.Equal(got, want) {
					t.Errorf("the last %d are %v; want %v", limit, got, want)
				}
				return err
			})
		}
	})
}
