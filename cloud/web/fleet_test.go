package web_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/fleet/fleettest"
	"github.com/ntpc-smart-community/lobby/cloud/ingest"
	"github.com/ntpc-smart-community/lobby/cloud/internal/cloudtest"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// register adds gateways of a site, which have never spoken.
func (b *bench) register(site, name string, ids ...string) []*fleettest.Box {
	b.T.Helper()
	var all []*fleettest.Box
	b.Write(func(tx *store.Tx) error {
		all = nil
		b.Must(b.Fleet.RegisterSite(b.T.Context(), tx, fleet.Site{ID: site, Name: name}, b.Now))
		for _, id := range ids {
			box := fleettest.New(b.T, id)
			box.Wall = wire.At(b.Now)
			b.Must(b.Fleet.RegisterGateway(b.T.Context(), tx, fleet.Gateway{ID: id, Site: site, EventKey: box.Public()}, b.Now))
			all = append(all, box)
		}
		return nil
	})
	return all
}

// beat has gateways pulse now, and take what the cloud wants of them.
func (b *bench) beat(boxes ...*fleettest.Box) {
	b.T.Helper()
	for range 2 {
		beats := make([]fleet.Beat, len(boxes))
		for n, box := range boxes {
			box.Wall = wire.At(b.Now)
			beats[n] = fleet.Beat{Gateway: box.ID, Payload: box.Pulse()}
		}
		out, err := b.Fleet.Pulses(b.T.Context(), beats, b.Now)
		b.Must(err)
		for n, a := range out {
			b.Must(a.Err)
			for _, m := range a.Messages {
				if m.Topic != wire.AnswerTopic(boxes[n].ID) {
					continue
				}
				var answer wire.Answer
				b.Must(wire.Peek(m.Payload, &answer))
				boxes[n].State, boxes[n].Echo = answer.State, answer.Serial
			}
		}
	}
}

// pulse takes a pulse as it is.
func (b *bench) pulse(box *fleettest.Box, signed []byte) {
	b.T.Helper()
	_, err := b.Fleet.Pulse(b.T.Context(), box.ID, signed, b.Now)
	b.Must(err)
}

// ship has a gateway send what it holds.
func (b *bench) ship(box *fleettest.Box) {
	b.T.Helper()
	var all []ingest.Payload
	for _, body := range box.Backlog(100) {
		all = append(all, ingest.Payload{Gateway: box.ID, Body: body})
	}
	_, err := b.Ingest.Take(b.T.Context(), all)
	b.Must(err)
}

// boards are n locker boards that answer.
func (b *bench) boards(n int) []wire.DeviceHealth {
	var all []wire.DeviceHealth
	for i := range n {
		all = append(all, wire.DeviceHealth{ID: fmt.Sprintf("locker/A/board/%d", i), Kind: "locker_board", Online: true, At: wire.At(b.Now.Add(-time.Second))})
	}
	return all
}

// silent makes a device silent, for a reason.
func silent(d wire.DeviceHealth, why string) wire.DeviceHealth {
	d.Online, d.Code, d.Error = false, "silent", why
	return d
}

// city adds a fleet of n gateways with ten devices each: most are well, some in every other state.
func (b *bench) city(n int) {
	b.T.Helper()
	start := b.Now
	var boxes [5][]*fleettest.Box
	for i := range n {
		box := b.register(fmt.Sprintf("site-%04d", i), fmt.Sprintf("社區 %04d 號", i), fmt.Sprintf("gw-%04d", i))[0]
		box.Health.Devices = b.boards(10)
		switch kind := i % 40; kind {
		case 3:
			box.Health.Devices[2] = silent(box.Health.Devices[2], "bank A: board 2 on /dev/lobby-rs485-1: no answer in 300ms: check 12 V, the board switch, A/B wires")
			boxes[0] = append(boxes[0], box)
		case 7, 8, 9:
			boxes[kind-6] = append(boxes[kind-6], box)
		default:
			boxes[0] = append(boxes[0], box)
		}
	}
	for _, then := range []struct {
		boxes []*fleettest.Box
		ago   time.Duration
	}{{boxes[1], 3 * time.Hour}, {boxes[2], 4 * time.Minute}, {boxes[0], 20 * time.Second}} {
		for some := range slices.Chunk(then.boxes, 128) {
			b.Now = start.Add(-then.ago)
			b.beat(some...)
		}
	}
	b.Now = start
}

// Reading, judging and writing the first page of a fleet of 2,000 gateways and 20,000 devices.
func BenchmarkOperatorOf2000(b *testing.B) {
	for engine, dsn := range map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		b.Run(engine, func(b *testing.B) {
			x := newBenchOn(b, dsn(b))
			x.city(2000)
			for b.Loop() {
				if code, _, page := x.get(cloudtest.Ops, "/operator"); code != 200 || len(page) < 10_000 {
					b.Fatal(code, len(page))
				}
			}
		})
	}
}
