package cloudtest

import (
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/ingest"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Reading is the event of a meter's reading.
func Reading(meter string, at time.Time, r wire.Reading) wire.Event {
	return wire.Event{Type: wire.MeterRead, Subject: "meter/" + meter, Wall: wire.At(at), Data: Raw(r)}
}

// Good is a good reading of the meter with a serial number.
func Good(serial string, litres int64) wire.Reading {
	return wire.Reading{Sweep: "1-1", Litres: litres, Serial: serial, Quality: wire.ReadingGood}
}

// Measure has a gateway report telemetry.
func (b *Bench) Measure(gateway string, events ...wire.Event) {
	b.T.Helper()
	if b.readings[gateway] == nil {
		b.readings[gateway] = &head{}
	}
	b.send(gateway, wire.Telemetry, b.readings[gateway], events...)
}

// Telemetry has a gateway report telemetry as the first block of any segment of its first epoch.
func (b *Bench) Telemetry(gateway string, segment uint64, events ...wire.Event) {
	b.T.Helper()
	body, err := wire.EncodeBlock(b.boxes[gateway], b.block(gateway, wire.Telemetry, segment, 1, wire.Hash{1}, 0, events...))
	b.Must(err)
	_, err = b.Ingest.Take(b.T.Context(), []ingest.Payload{{Gateway: gateway, Body: body}})
	b.Must(err)
}
