package ingest_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/fleet/fleettest"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

const board = "locker/A/board/1"

// house is a box with one device, and what it has said of it, in order.
type house struct {
	*world
	box     *fleettest.Box
	version uint64
}

// says appends the event that the device fell silent or returned.
func (h *house) says(online bool) wire.Name {
	h.version++
	kind, d := wire.DeviceReturned, wire.Device{Kind: "locker_board", Online: online}
	if !online {
		kind, d.Code = wire.DeviceSilent, "silent"
	}
	return h.box.Append(wire.Audit, wire.Event{Type: kind, Subject: "device/" + board, Version: h.version, State: wire.Raw(d)})
}

// beats makes a pulse that says so.
func (h *house) beats(online bool) []byte {
	d := wire.DeviceHealth{ID: board, Kind: "locker_board", Online: online, At: h.box.Wall}
	if !online {
		d.Code, d.Error = "silent", "board 1: no answer"
	}
	h.box.Health.Devices, h.box.Health.More = []wire.DeviceHealth{d}, 0
	return h.box.Pulse()
}

func (h *house) hear(pulse []byte) {
	h.t.Helper()
	h.now = h.now.Add(time.Second)
	_, err := h.fleet.Pulse(h.t.Context(), h.box.ID, pulse, h.now)
	h.check(err)
}

// send sends what the box holds that was not committed.
func (h *house) send() { h.t.Helper(); h.take(h.box.ID, h.box.Backlog(1)...) }

func (h *house) known() (all []fleet.Device) {
	h.t.Helper()
	h.read(func(tx *store.Tx) error {
		health, err := h.fleet.Health(h.t.Context(), tx, h.box.ID)
		all = health.Devices
		return err
	})
	return all
}

// is fails unless the device is known to be online or not.
func (h *house) is(when string, online bool) fleet.Device {
	h.t.Helper()
	all := h.known()
	if len(all) != 1 || all[0].ID != board || all[0].Kind != "locker_board" || all[0].Online != online || (all[0].Code == "silent") == online {
		h.t.Errorf("%s: %+v; want online %t", when, all, online)
		return fleet.Device{}
	}
	return all[0]
}

func eachHouse(t *testing.T, fn func(t *testing.T, h *house)) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		w := newWorld(t, open())
		fn(t, &house{world: w, box: w.box("gw-1")})
	})
}

// An event shows at once. A pulse that was made before it and comes after it does not hide it; one made after it counts.
func TestADeviceShowsAtOnce(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.says(true)
		h.send()
		h.is("an event before any pulse", true)
		h.hear(h.beats(true))
		before := h.beats(true)
		h.says(false)
		h.send()
		h.is("unplugged", false)
		h.hear(before)
		h.is("a pulse made before", false)
		h.send()
		h.is("the event once more", false)
		h.hear(h.beats(false))
		if d := h.is("a pulse made after", false); d.Error != "board 1: no answer" || d.Heard != wire.At(h.now) {
			t.Errorf("after a pulse: %+v", d)
		}
		h.says(true)
		h.send()
		if d := h.is("plugged in", true); d.Error != "" || d.At != h.box.Wall {
			t.Errorf("after its return: %+v, want no error, as of %d", d, h.box.Wall)
		}
		h.hear(h.beats(false)) // changes beyond the sixth of an hour are no events
		h.is("a pulse says otherwise", false)
	})
}

// What a long outage brings late is older than the pulse at its end, whatever segment comes first.
func TestALateDeviceEventChangesNothing(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.says(false)
		h.box.Seal(wire.Audit)
		h.says(true)
		h.box.Seal(wire.Audit)
		h.says(false)
		h.hear(h.beats(true))
		h.send()
		h.is("three events older than the pulse", true)
		h.box.Start(2, "salvage", nil)
		h.says(false)
		h.send()
		h.is("an event of the next epoch", false)
		h.hear(h.beats(true))
		h.is("a pulse of that epoch", true)
		h.check(h.ingest.Rebuild(t.Context()))
		h.is("rebuilt", true)
		h.says(false)
		h.send()
		h.check(h.ingest.Rebuild(t.Context()))
		h.is("rebuilt after a newer event", false)
	})
}

// A device that a pulse had no room for stays as it was; one that the gateway no longer has goes, unless an event made
// after the pulse speaks of it.
func TestDevicesLeftOut(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		other := wire.DeviceHealth{ID: "locker/A/board/2", Kind: "locker_board", Online: true}
		h.hear(h.beats(false))
		h.box.Health.Devices, h.box.Health.More = []wire.DeviceHealth{other}, 1
		h.hear(h.box.Pulse())
		all := h.known()
		if len(all) != 2 || all[0].ID != board || all[0].Online || all[0].Heard == all[1].Heard {
			t.Errorf("left out: %+v", all)
		}
		h.read(func(tx *store.Tx) error {
			health, err := h.fleet.Health(t.Context(), tx, "gw-1")
			if health.Count != 2 || health.More != 1 || health.Listed(all[0]) || !health.Listed(all[1]) {
				t.Errorf("health %+v", health)
			}
			return err
		})
		h.box.Health.More = 0
		bare := h.box.Pulse()
		h.says(true)
		h.send()
		h.hear(bare)
		if all = h.known(); len(all) != 2 || !all[0].Online {
			t.Errorf("a device added since the pulse: %+v", all)
		}
		h.hear(h.box.Pulse())
		if all = h.known(); len(all) != 1 || all[0].ID != other.ID {
			t.Errorf("a device taken out: %+v", all)
		}
	})
}

// In whatever order pulses and events come, and however often, the newest that was taken counts. // invariant 4
func TestDeviceStatesInAnyOrder(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		// said is one thing that the box has said of its device, in the order in which it did.
		type said struct {
			online bool
			pulse  []byte // nil: an event
			name   wire.Name
			taken  bool
		}
		first := h.box
		for seed := range uint64(8) {
			h.box, h.version = first, 0
			if seed > 0 {
				h.box = h.world.box(fmt.Sprint("gw-any-", seed))
			}
			r := rand.New(rand.NewPCG(seed, 7))
			var all []said
			for range 30 {
				s := said{online: r.IntN(2) == 0}
				switch n := r.IntN(10); {
				case n < 4:
					s.pulse = h.beats(s.online)
				case n == 9:
					h.box.Seal(wire.Audit)
					fallthrough
				default:
					s.name = h.says(s.online)
				}
				all = append(all, s)
			}
			blocks := h.box.Backlog(1)
			check := func(when string) {
				newest := -1
				for n, s := range all {
					if s.taken {
						newest = n
					}
				}
				if newest >= 0 {
					h.is(fmt.Sprintf("seed %d, %s", seed, when), all[newest].online)
				}
			}
			events := func() {
				h.read(func(tx *store.Tx) error {
					for n := range all {
						if all[n].pulse != nil {
							continue
						}
						p, err := h.fleet.Position(t.Context(), tx, h.box.ID, all[n].name.Epoch, wire.Audit, all[n].name.Segment)
						if err != nil {
							return err
						}
						all[n].taken = p.Seq >= all[n].name.Seq
					}
					return nil
				})
			}
			for range 60 {
				if n := r.IntN(len(all)); all[n].pulse != nil {
					h.hear(all[n].pulse)
					later := slices.ContainsFunc(all[n+1:], func(s said) bool { return s.taken && s.pulse != nil })
					all[n].taken = all[n].taken || !later
				} else {
					h.take(h.box.ID, blocks[r.IntN(len(blocks))])
					events()
				}
				check("on the way")
			}
			for range blocks {
				h.take(h.box.ID, blocks...)
			}
			events()
			check("at the end")
		}
	})
}
