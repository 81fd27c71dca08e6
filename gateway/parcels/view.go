package parcels

import (
	"cmp"
	"maps"
	"slices"

	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// view is what screens see. It is made by the loop after a commit, and nobody changes it.
type view struct {
	idle   Front
	visits map[string]Visit
	guards map[string]Guard
	desk   Office
}

func (v *view) front(now clock.Reading, online func() bool) Front {
	f := v.idle
	f.Free, f.Sizes, f.Blocks = maps.Clone(f.Free), slices.Clone(f.Sizes), slices.Clone(f.Blocks)
	f.Now, f.Clock, f.Online = now.Time, clockWord(now.Quality), online != nil && online()
	return f
}

func (v *view) visit(id string) Visit {
	seen, ok := v.visits[id]
	if !ok {
		return Visit{Ended: true}
	}
	seen.Doors = slices.Clone(seen.Doors)
	return seen
}

func (v *view) guard(session string, now clock.Reading) (Guard, bool) {
	g, ok := v.guards[session]
	return g, ok && now.Time.Before(g.Until)
}

func (v *view) office(now clock.Reading) Office {
	o := v.desk
	o.Compartments, o.Parcels = slices.Clone(o.Compartments), slices.Clone(o.Parcels)
	o.Tasks, o.Locked = slices.Clone(o.Tasks), slices.Clone(o.Locked)
	o.Now, o.Clock = now.Time, clockWord(now.Quality)
	return o
}

func clockWord(q wire.Quality) string {
	switch q {
	case wire.FromAnswer, wire.FromNTP:
		return "ok"
	case wire.Uncertain:
		return "uncertain"
	}
	return "holdover"
}

// sizeRank orders sizes, smallest first from 1; 0: nobody knows it.
func sizeRank(size string) int {
	return map[string]int{"S": 1, "M": 2, "L": 3, "XL": 4}[size]
}

func sortSizes(sizes []string) {
	slices.SortFunc(sizes, func(a, b string) int { return cmp.Compare(sizeRank(a), sizeRank(b)) })
}
