package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Errors of Offer.
var (
	ErrFull = errors.New("queue is full")
	ErrKind = errors.New("not a message for ingest")
)

type input struct {
	gateway string
	kind    wire.Kind
	payload []byte
}

// Offer queues an event block or a pulse, whose bytes must not change afterwards. While the partition's queue is full it
// waits, 5 s at most, and then gives ErrFull: the caller closes the client's connection, and positions repair the rest.
func (i *Ingest) Offer(ctx context.Context, gateway string, kind wire.Kind, payload []byte) error {
	if kind != wire.KindEvents && kind != wire.KindPulse {
		return fmt.Errorf("%s of gateway %s: %w", kind, gateway, ErrKind)
	}
	slot := i.slots[wire.Partition(gateway)]
	select {
	case slot <- struct{}{}:
	default:
		patience := time.NewTimer(i.o.Patience)
		defer patience.Stop()
		select {
		case slot <- struct{}{}:
		case <-patience.C:
			i.count(map[string]int64{"full": 1})
			return fmt.Errorf("gateway %s: %w", gateway, ErrFull)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	i.inputs <- input{gateway, kind, payload} // has room for every slot
	return nil
}

// Run takes what is offered until ctx ends: one batch after the other, each of what is queued by then. A pulse is taken
// after all blocks that were offered before it.
func (i *Ingest) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case first := <-i.inputs:
			i.carry(ctx, i.gather(first))
		}
	}
}

// gather takes what is queued, up to one batch, without waiting.
func (i *Ingest) gather(first input) []input {
	all := []input{first}
	for len(all) < i.o.Batch {
		select {
		case next := <-i.inputs:
			all = append(all, next)
		default:
			return all
		}
	}
	return all
}

// carry takes a batch and makes room. What fails is dropped, and logged: the gateways send it again.
func (i *Ingest) carry(ctx context.Context, all []input) {
	defer func() {
		for _, in := range all {
			<-i.slots[wire.Partition(in.gateway)]
		}
	}()
	var blocks []Payload
	var beats []fleet.Beat
	for _, in := range all {
		if in.kind == wire.KindPulse {
			beats = append(beats, fleet.Beat{Gateway: in.gateway, Payload: in.payload})
		} else {
			blocks = append(blocks, Payload{in.gateway, in.payload})
		}
	}
	i.takeAll(ctx, blocks)
	i.beatAll(ctx, beats)
}

// takeAll takes blocks together and, if that fails, one by one, so that a bad one costs only itself.
func (i *Ingest) takeAll(ctx context.Context, blocks []Payload) {
	if len(blocks) == 0 {
		return
	}
	taken, err := i.Take(ctx, blocks)
	if err != nil && len(blocks) > 1 && ctx.Err() == nil {
		for _, b := range blocks {
			i.takeAll(ctx, []Payload{b})
		}
		return
	}
	if err != nil {
		i.count(map[string]int64{"failed": 1})
		i.o.Log.Error("blocks not taken", "gateway", blocks[0].Gateway, "err", err)
		return
	}
	if taken.wishes {
		if err := i.fleet.RefreshStale(ctx, i.o.Now()); err != nil {
			i.o.Log.Error("state documents not issued", "err", err)
		}
	}
}

func (i *Ingest) beatAll(ctx context.Context, beats []fleet.Beat) {
	if len(beats) == 0 {
		return
	}
	answers, err := i.fleet.Pulses(ctx, beats, i.o.Now())
	if err != nil {
		i.count(map[string]int64{"failed": 1})
		i.o.Log.Error("pulses not answered", "err", err)
		return
	}
	for n, a := range answers {
		if a.Err != nil {
			i.count(map[string]int64{"pulse_" + reason(a.Err): 1})
			i.o.Log.Warn("pulse refused", "gateway", beats[n].Gateway, "err", a.Err)
			continue
		}
		i.count(map[string]int64{"pulses": 1})
		i.fleet.Publish(a.Messages)
	}
}
