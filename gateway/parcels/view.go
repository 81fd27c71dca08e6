package parcels

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/parcels/rules"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// view is what screens see. It is made by the loop after a commit, and nobody changes it.
type view struct {
	idle    Front
	notices []wire.Notice
	visits  map[string]Visit
	guards  map[string]Guard
	desk    Office
}

func (v *view) front(now clock.Reading, d Deps) Front {
	f := v.idle
	f.Free, f.Sizes, f.Blocks = maps.Clone(f.Free), slices.Clone(f.Sizes), slices.Clone(f.Blocks)
	f.Now, f.Clock, f.Online = now.Time, clockWord(now.Quality), d.Online != nil && d.Online()
	f.Deposits = f.Deposits && !d.full()
	for _, n := range v.notices {
		if n.Until == 0 || n.Until > wire.At(now.Time) {
			f.Notice = Notice{ZH: n.ZH, EN: n.EN}
			break
		}
	}
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
	o.Compartments, o.Parcels, o.Tasks = slices.Clone(o.Compartments), slices.Clone(o.Parcels), slices.Clone(o.Tasks)
	o.Locked = slices.DeleteFunc(slices.Clone(o.Locked), func(l Locked) bool { return !now.Time.Before(l.Until) })
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

func sizeRank(size string) int { return max(0, rules.SizeRank(size)) }

// publish shows the state as it is now, and tells those who watch if that is news.
func (s *Service) publish() {
	now, _ := s.now()
	v := &view{idle: s.front(now), notices: s.doc.Notices, visits: map[string]Visit{}, guards: map[string]Guard{}, desk: s.office()}
	for _, visit := range s.state.Visits {
		v.visits[visit.ID] = s.visit(visit, now)
	}
	s.remember(v)
	for _, g := range s.state.Guards {
		v.guards[g.ID] = Guard{ID: g.Guard, Masked: g.Masked, Until: g.Shown}
	}
	if old := s.view.Swap(v); !reflect.DeepEqual(old, v) {
		s.watchers.tell()
	}
}

// goneVisit is a visit that has ended, for the screen that still shows it.
type goneVisit struct {
	id   string
	seen Visit
}

const maxGone = 32 // visits remembered after their end

// remember keeps what ended visits came to.
func (s *Service) remember(v *view) {
	old := s.view.Load().visits
	for _, id := range slices.Sorted(maps.Keys(old)) {
		if _, living := v.visits[id]; living || old[id].Ended {
			continue
		}
		seen := old[id]
		seen.Ended, seen.Doors, seen.Last, seen.Undo = true, nil, nil, false
		s.gone = append(s.gone, goneVisit{id, seen})
	}
	s.gone = s.gone[max(0, len(s.gone)-maxGone):]
	for _, g := range s.gone {
		v.visits[g.id] = g.seen
	}
}

func (s *Service) front(now rules.Now) Front {
	f := Front{Free: s.state.FreeSizes(now), Phone: s.doc.Policy.GuardPhone}
	for _, c := range s.state.Compartments {
		if !slices.Contains(f.Sizes, c.Size) {
			f.Sizes = append(f.Sizes, c.Size)
		}
	}
	slices.SortFunc(f.Sizes, func(a, b string) int { return cmp.Compare(sizeRank(a), sizeRank(b)) })
	for _, u := range s.doc.Units {
		if block, _, ok := strings.Cut(u.Label, "-"); ok && u.Household != "" {
			f.Blocks = append(f.Blocks, block)
			f.Deposits = true
		}
	}
	slices.Sort(f.Blocks)
	f.Blocks = slices.Compact(f.Blocks)
	answers := func(c rules.Compartment) bool { return c.Door != rules.DoorUnknown }
	f.Deposits = f.Deposits && slices.ContainsFunc(s.state.Compartments, answers)
	return f
}

func (s *Service) visit(v rules.Visit, now rules.Now) Visit {
	out := Visit{Role: Collect, Unit: v.Label, Drops: v.Drops, Undo: v.Undo}
	if v.Role == rules.Courier {
		out.Role, out.Who = Deliver, v.Name
	}
	for _, d := range v.Doors {
		if c, ok := s.state.Compartment(d.Compartment); ok {
			state, since := doorState(v, d, c)
			out.Doors = append(out.Doors, Door{
				Compartment: c.ID, Number: c.Number, State: state, Since: since, Verify: c.Verify && v.Role == rules.Courier,
			})
		}
	}
	if p, ok := s.state.Parcel(v.Last.Parcel); ok && now.Mono < v.Last.Until {
		c, _ := s.state.Compartment(p.Compartment)
		out.Last = &Drop{Number: c.Number, Unit: p.Label, Until: v.Last.Shown}
	}
	return out
}

// doorState is a visit's door as the lock's feedback has it.
func doorState(v rules.Visit, d rules.VisitDoor, c rules.Compartment) (string, time.Time) {
	if c.By == v.ID {
		switch {
		case c.Content == rules.Opening && c.Lost, c.Content == rules.Open && c.Door == rules.DoorUnknown:
			return DoorUnknown, c.Since
		case c.Content == rules.Opening:
			return DoorOpening, c.Since
		case c.Content == rules.Open:
			return DoorOpen, c.Since
		case c.Content == rules.ClosedUnconfirmed:
			return DoorClosed, c.Since
		}
	}
	switch d.Mark {
	case rules.Done, rules.KeptThere, rules.InDispute, rules.Fault:
		return string(d.Mark), d.Since
	}
	switch {
	case c.Out != "":
		return DoorFault, d.Since
	case c.Door != rules.Shut || c.Restart || c.Content == rules.NeedsCheck && c.Why != rules.WhyUnconfirmed:
		return DoorUnknown, d.Since
	}
	return string(d.Mark), d.Since
}

func (s *Service) office() Office {
	var o Office
	for _, c := range s.state.Compartments {
		shown := Compartment{
			ID: c.ID, Bank: c.Bank, Number: c.Number, Size: c.Size, Content: string(c.Content), Purpose: string(c.Purpose), Parcel: c.Parcel,
			Service: cmp.Or(c.Out, "in"), Door: string(c.Door), Item: string(c.Item), Verify: c.Verify, Why: c.Why, Since: c.Since,
		}
		if c.Door == rules.DoorUnknown {
			shown.Item = "" // what its sensor said before its board fell silent
		}
		o.Compartments = append(o.Compartments, shown)
	}
	for _, p := range s.state.Parcels {
		switch p.State {
		case rules.Collected, rules.CollectedDoorOpen, rules.Returned, rules.Lost, rules.Void:
			continue
		}
		o.Parcels = append(o.Parcels, Parcel{
			ID: p.ID, State: string(p.State), Unit: p.Label, Household: p.Household, Compartment: p.Compartment, Shelf: p.Shelf, Courier: p.Carrier,
			Size: p.Size, StoredAt: p.StoredAt, Deadline: p.Deadline, Task: p.Task,
		})
	}
	o.Tasks = s.tasks()
	for _, l := range s.locked {
		o.Locked = append(o.Locked, Locked{Unit: l.Label, Until: l.Until})
	}
	return o
}

// tasks lists what waits for a guard, the most urgent kind first, in each the oldest.
func (s *Service) tasks() []Task {
	var all []Task
	for _, c := range s.state.Compartments {
		p, _ := s.state.Parcel(c.Parcel)
		for _, kind := range compartmentTasks(c, p) {
			all = append(all, Task{Kind: kind, Compartment: c.ID, Number: c.Number, Parcel: c.Parcel, Unit: p.Label, Since: c.Since})
		}
	}
	for _, p := range s.state.Parcels {
		kind := ""
		switch {
		case p.State == rules.Overdue:
			kind = TaskOverdue
		case p.Task == rules.TaskCollection:
			kind = TaskCollection
		default:
			continue
		}
		c, _ := s.state.Compartment(p.Compartment)
		all = append(all, Task{Kind: kind, Compartment: p.Compartment, Number: c.Number, Parcel: p.ID, Unit: p.Label, Since: cmp.Or(p.Deadline, p.StoredAt)})
	}
	order := []string{
		TaskForced, TaskIntakeOpen, TaskAjar, TaskUnconfirmed, TaskDisputed, TaskCheck, TaskCollection, TaskOut, TaskUnknown, TaskOverdue, TaskVerify,
	}
	slices.SortStableFunc(all, func(a, b Task) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Kind), slices.Index(order, b.Kind)), a.Since.Compare(b.Since))
	})
	return all
}

func compartmentTasks(c rules.Compartment, p rules.Parcel) (all []string) {
	switch {
	case c.Content == rules.NeedsCheck && c.Why == rules.WhyForced:
		all = append(all, TaskForced)
	case c.Content == rules.NeedsCheck && c.Why == rules.WhyUnconfirmed:
		all = append(all, TaskUnconfirmed)
	case c.Content == rules.NeedsCheck && c.Why == rules.WhyDisputed:
		all = append(all, TaskDisputed)
	case c.Content == rules.NeedsCheck:
		all = append(all, TaskCheck)
	case p.State == rules.IntakeOpen:
		all = append(all, TaskIntakeOpen)
	case c.Content == rules.Open && c.Reminds >= 3:
		all = append(all, TaskAjar)
	case c.Verify:
		all = append(all, TaskVerify)
	}
	if c.Out != "" {
		all = append(all, TaskOut)
	}
	if c.Door == rules.DoorUnknown {
		all = append(all, TaskUnknown)
	}
	return all
}
