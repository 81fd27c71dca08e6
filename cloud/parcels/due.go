package parcels

import (
	"slices"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// defaultStay is how long a parcel may stay where the community has decided nothing.
const defaultStay = 72

// Taipei is the time of the buildings.
func Taipei() *time.Location { return fleet.Taipei() }

// Due is until when a parcel should be collected: the stay begins when the cloud knew of the parcel, since nobody is late
// for what nobody was told, and never ends on a holiday. It is the cloud's word for people; the gateway judges by its own.
func Due(known wire.Micros, p wire.Policy) wire.Micros {
	stay := p.StayHours
	if stay <= 0 {
		stay = defaultStay
	}
	due := known.Time().In(Taipei()).Add(time.Duration(stay) * time.Hour)
	for range len(p.Holidays) { // each day moved is a holiday of the list
		if !slices.Contains(p.Holidays, due.Format(time.DateOnly)) {
			break
		}
		due = due.AddDate(0, 0, 1)
	}
	return wire.At(due)
}
