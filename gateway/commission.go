package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers/kerong"
	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/commission"
	"github.com/ntpc-smart-community/lobby/gateway/parcels"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/uplink"
)

// Commissioning says which bank an installer walks through, and on what terminal.
type Commissioning struct {
	Config  string // path of the YAML file
	Data    string // as in Options
	Bank    string
	Again   bool   // forget what an earlier walk has learnt
	Sensors bool   // learn item_sensors too
	Lang    string // commission.Chinese or commission.English
	In      io.Reader
	Out     io.Writer
	Flush   func() // drops what was typed before a question; nil: nothing is
}

// Commission walks an installer through a bank; gateway/commission says how. The gateway must not run: the store and the bank's
// line are in use otherwise. Its errors are commission.ErrLeft (stopped before the end), commission.ErrPlan or
// config.ErrUnreadable (the configuration is wrong), or what is in the way.
func Commission(ctx context.Context, o Commissioning) (err error) {
	plan, faults, err := commission.Read(o.Config, o.Bank)
	for i := len(faults) - 1; i >= 0; i-- {
		err = errors.Join(faults[i], err)
	}
	if err == nil && o.Sensors && plan.Locker.Protocol == kerong.B.String() {
		err = fmt.Errorf("bank %s: %w: boards of 48 locks have no inputs for item sensors: leave --sensors out", o.Bank, commission.ErrPlan)
	}
	if err != nil {
		return err
	}
	if f, bad := checkPort(plan.Places, plan.Line); bad {
		return f
	}
	if err := os.MkdirAll(o.Data, 0o700); err != nil {
		return err
	}
	st, judged, err := openStore(o.Data, plan.Config.Gateway)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	deps := commission.Deps{Store: st, Clock: judged, In: o.In, Out: o.Out, Flush: o.Flush}
	if deps.Held, err = heldDoors(st, plan); err != nil {
		return err
	}
	h := newHardware(slog.New(slog.DiscardHandler))
	line := h.start(busConfig(plan.Config, plan.Line), nil)
	defer line.stop()
	if deps.Bench, err = kerong.NewCommission(line.bus, h.bankConfig(plan.Locker)); err != nil {
		return err
	}
	return commission.Run(ctx, plan, deps, commission.Options{Data: o.Data, Again: o.Again, Sensors: o.Sensors, Lang: o.Lang})
}

// openStore opens a gateway's store and judges the time by it.
func openStore(data, gateway string) (*store.Store, *clock.Clock, error) {
	keys, err := OpenKeys(data)
	if err != nil {
		return nil, nil, err
	}
	st, err := store.Open(filepath.Join(data, "gateway.db"), store.Options{Gateway: gateway, Key: keys.Events})
	if err != nil {
		return nil, nil, err
	}
	var floor time.Time
	if err := st.View(func(tx *store.Tx) (err error) {
		floor, err = uplink.Floor(tx)
		return err
	}); err != nil {
		return nil, nil, errors.Join(err, st.Close())
	}
	judged := clock.New(st.Boot(), floor, clock.System())
	judged.Kept(timeKeeper())
	return st, judged, nil
}

// heldDoors are the doors of a bank whose record does not say that they are vacant, with what it says.
func heldDoors(st *store.Store, plan commission.Plan) (map[int]string, error) {
	for _, b := range banksOf(plan.Config).Banks {
		if b.ID == plan.Locker.Bank {
			return parcels.Held(st, b)
		}
	}
	return nil, nil
}
