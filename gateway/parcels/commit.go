package parcels

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/grants"
	"github.com/ntpc-smart-community/lobby/gateway/parcels/rules"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// committed is an action whose intent is on disk. Only step makes one, and only energise takes one (invariant 2).
type committed struct{ rules.Action }

// step is the shell around the rules: it lets them decide, commits state and events in one transaction together with
// what with adds, and only then acts and shows (invariants 1 and 2). On error nothing has changed.
func (s *Service) step(ctx context.Context, in rules.Input, with func(*store.Tx, clock.Reading) error) (rules.Out, error) {
	now, reading := s.now()
	next, out, err := rules.Step(s.state, in, now)
	if err != nil {
		return out, err
	}
	var news map[string]wire.Name
	if with != nil || len(out.Events)+len(out.PINs)+len(out.Compartments)+len(out.Parcels) > 0 {
		err = s.deps.Store.Update(ctx, func(tx *store.Tx) error {
			if with != nil {
				if err := with(tx, reading); err != nil {
					return err
				}
			}
			news, err = s.write(tx, next, out, reading)
			return err
		})
	}
	if err != nil {
		return rules.Out{}, fmt.Errorf("commit: %w", err)
	}
	s.state = next
	for parcel, name := range news {
		s.told[parcel] = name
	}
	for _, a := range out.Actions {
		s.moving++
		s.hands.Add(1)
		go s.energise(ctx, committed{a})
	}
	s.publish()
	for _, e := range out.Events {
		if e.Type == wire.CompartmentForced && s.deps.Forced != nil {
			s.deps.Forced(e.Subject)
		}
	}
	return out, nil
}

// write puts one step into a transaction. It may run more than once and has no effect outside it.
func (s *Service) write(tx *store.Tx, next rules.State, out rules.Out, now clock.Reading) (map[string]wire.Name, error) {
	sealed, err := s.turnPINs(tx, out.PINs, now)
	if err != nil {
		return nil, err
	}
	news := map[string]wire.Name{}
	for _, e := range out.Events {
		ev := wire.Event{Type: e.Type, Subject: e.Subject, Version: e.Version}
		if p, ok := e.State.(wire.Parcel); ok && e.Mint {
			p.PIN = sealed[e.Subject]
			e.State = p
		}
		if e.State != nil {
			ev.State = wire.Raw(e.State)
		}
		if e.Data != nil {
			ev.Data = wire.Raw(e.Data)
		}
		now.Stamp(&ev)
		name, err := tx.Append(wire.Audit, ev)
		if err != nil {
			return nil, err
		}
		if !e.Tell {
			continue
		}
		parcel := e.Subject[len("parcel/"):]
		news[parcel] = name
		if err := tx.Put(spaceTold, parcel, wire.Raw(name)); err != nil {
			return nil, err
		}
	}
	return news, putState(tx, next, out)
}

func (s *Service) turnPINs(tx *store.Tx, changes []rules.PINChange, now clock.Reading) (map[string]*wire.Sealed, error) {
	sealed := map[string]*wire.Sealed{}
	key, ok := s.doc.SealKey(now.Time)
	for _, c := range changes {
		var err error
		switch c.Do {
		case rules.MintPIN:
			sealed["parcel/"+c.Parcel], err = s.book.MintPIN(tx, c.Unit, c.Parcel, now.Time, key, ok)
		case rules.UsePIN:
			err = s.book.UsePIN(tx, c.Unit, c.Parcel, now.Time)
		case rules.EndPIN:
			err = s.book.EndPIN(tx, c.Unit, c.Parcel, now.Time)
		case rules.KillPIN:
			err = s.book.KillPIN(tx, c.Unit, c.Parcel, now.Time)
		case rules.LivePIN:
			err = s.book.RevivePIN(tx, c.Unit, c.Parcel, now.Time)
		}
		if err != nil {
			return nil, err
		}
	}
	return sealed, nil
}

func putState(tx *store.Tx, next rules.State, out rules.Out) error {
	for _, id := range out.Compartments {
		if c, ok := next.Compartment(id); ok {
			if err := tx.Put(spaceCompartments, id, wire.Raw(c)); err != nil {
				return err
			}
		}
	}
	for _, id := range out.Parcels {
		p, ok := next.Parcel(id)
		if !ok {
			if err := tx.Delete(spaceParcels, id); err != nil {
				return err
			}
			continue
		}
		if err := tx.Put(spaceParcels, id, wire.Raw(p)); err != nil {
			return err
		}
	}
	return nil
}

// record appends events that no rule makes, and what with adds, in one transaction.
func (s *Service) record(ctx context.Context, with func(*store.Tx, clock.Reading) error, events ...wire.Event) error {
	reading := s.deps.Clock.Now()
	return s.deps.Store.Update(ctx, func(tx *store.Tx) error {
		if with != nil {
			if err := with(tx, reading); err != nil {
				return err
			}
		}
		return appendAll(tx, reading, events)
	})
}

func appendAll(tx *store.Tx, now clock.Reading, events []wire.Event) error {
	for _, ev := range slices.Clone(events) {
		now.Stamp(&ev)
		if _, err := tx.Append(wire.Audit, ev); err != nil {
			return err
		}
	}
	return nil
}

// newID makes a UUID of version 7 from judged time and chance.
func (s *Service) newID() string {
	var b [16]byte
	rand.Read(b[:])
	binary.BigEndian.PutUint64(b[:8], uint64(s.deps.Clock.Now().Time.UnixMilli())<<16|uint64(binary.BigEndian.Uint16(b[6:8])))
	b[6], b[8] = b[6]&0x0f|0x70, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// minting is a code made in a transaction.
func (s *Service) minting(h grants.Holder, id string, into *grants.Minted) func(*store.Tx, clock.Reading) error {
	return func(tx *store.Tx, now clock.Reading) error {
		key, ok := s.doc.SealKey(now.Time)
		if !ok {
			return ErrNoSeal
		}
		m, err := s.book.MintCode(tx, h, id, now.Time, key)
		if err != nil {
			return err
		}
		*into = m
		return appendAll(tx, now, m.Events)
	}
}
