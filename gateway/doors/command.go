package doors

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"

	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/document"
	"github.com/ntpc-smart-community/lobby/gateway/doors/rules"
	"github.com/ntpc-smart-community/lobby/gateway/grants"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// order takes what came on the command topic: a request for a challenge, or a command that answers one. What is neither,
// or does not hold, is counted by its reason and does nothing else. Its error is the store's.
func (s *Service) order(ctx context.Context, payload []byte) error {
	var r wire.CommandRequest
	if json.Unmarshal(payload, &r) == nil && r.Doc == "request" { // a signed command is two lines, and no JSON
		return s.request(r)
	}
	return s.command(ctx, payload)
}

// request answers with a challenge, which opens nothing by itself.
func (s *Service) request(r wire.CommandRequest) error {
	if r.ID == "" || len(r.ID) > maxID || !s.does(r.Device, r.What) {
		s.count("commands_refused_unknown")
		return nil
	}
	held, err := s.held(r.ID)
	if err != nil {
		return s.broken(err)
	}
	if held {
		s.count("commands_refused_held")
		return nil
	}
	s.count("challenges")
	if s.deps.Publish != nil {
		s.deps.Publish(wire.ChallengeTopic(s.config.Gateway), wire.Raw(s.challenges.For(r, s.deps.Clock.Now().Mono)))
	}
	return nil
}

// does tells whether there is a door of that name, and whether it can do what is wanted.
func (s *Service) does(name, what string) bool {
	door, _ := strings.CutPrefix(name, "door/")
	_, ok := s.state.Door(door)
	return ok && name == device(door) && what == whatOpen
}

// held tells whether a command was taken before. A note that cannot be read is one.
func (s *Service) held(id string) (held bool, err error) {
	err = s.deps.Store.View(func(tx *store.Tx) error {
		raw, err := tx.Get(spaceCommands, id)
		held = raw != nil
		return err
	})
	if errors.Is(err, store.ErrDamaged) {
		return true, nil
	}
	return held, err
}

// command verifies a command, notes its id for good in the transaction of its intent, and acts once.
func (s *Service) command(ctx context.Context, payload []byte) error {
	keys, err := s.keys()
	if err != nil {
		return err
	}
	c, err := grants.OpenCommand(keys, s.config.Gateway, payload, grants.Moment(s.deps.Clock))
	if err != nil {
		s.doubt(err)
		return nil
	}
	until, err := s.challenges.Take(c, s.deps.Clock.Now().Mono)
	if err != nil {
		s.doubt(err)
		return nil
	}
	s.count("commands")
	door := strings.TrimPrefix(c.Device, "door/") // the challenge was made for a door that there is
	in := rules.Order{
		Door: door, Intent: rand.Text(), Command: c.ID, Device: c.Device, What: c.What, Who: c.Who, Why: c.Why, Deadline: until,
	}
	_, err = s.step(ctx, in, func(tx *store.Tx, now clock.Reading) error {
		return tx.Put(spaceCommands, c.ID, wire.Raw(wire.At(now.Time)))
	})
	if err != nil {
		s.deps.Log.Error("command not taken", "door", door, "command", c.ID, "err", err)
	}
	return s.broken(err)
}

// doubt counts a command that does not hold.
func (s *Service) doubt(err error) {
	reason := "format"
	for _, r := range []struct {
		err  error
		name string
	}{
		{document.ErrKey, "key"}, {wire.ErrSignature, "signature"}, {wire.ErrContext, "gateway"}, {wire.ErrSize, "size"},
		{grants.ErrChallenge, "challenge"},
	} {
		if errors.Is(err, r.err) {
			reason = r.name
		}
	}
	s.count("commands_refused_" + reason)
}
