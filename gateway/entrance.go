package gateway

import (
	"github.com/ntpc-smart-community/lobby/gateway/config"
	"github.com/ntpc-smart-community/lobby/gateway/doors"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/terminal"
	"github.com/ntpc-smart-community/lobby/gateway/uplink"
)

// buildDoors makes the service that lets people through the doors of facilities.
func (f *floor) buildDoors(c config.Config) ([]loop, error) {
	f.entrance.Store(nil)
	f.terminal.Store(nil)
	if len(c.Doors) == 0 {
		return nil, nil
	}
	deps := doors.Deps{
		Store: f.d.store, Clock: f.d.clock, Key: f.d.keys.PINs, Doors: held(f.d.hardware, &f.d.hardware.doors), Log: f.d.log,
		Forced: f.d.hardware.forced, KeepFloor: func(tx *store.Tx) error { return uplink.KeepFloor(tx, f.d.clock) },
	}
	if u := f.d.uplink; u != nil {
		deps.Publish, deps.Count = u.Publish, u.Count
	}
	service, err := doors.New(deps, entranceOf(c))
	if err != nil {
		return nil, err
	}
	screens := terminal.New(service, f.d.o.Look, terminal.Options{
		Site: c.Site, Phone: c.Kiosk.Phone, Doors: doorIDs(c), Log: f.d.log,
		Blocks: func() []string { return f.service.Load().Front().Blocks },
	})
	f.entrance.Store(service)
	setHandler(&f.terminal, screens)
	return []loop{service.Run, screens.Run}, nil
}

func doorIDs(c config.Config) (ids []string) {
	for _, d := range c.Doors {
		ids = append(ids, d.ID)
	}
	return ids
}

// screensOf is the part of a configuration that the doors service and its screens are built from.
func screensOf(c config.Config) any {
	return struct {
		doors       doors.Config
		site, phone string
	}{entranceOf(c), c.Site, c.Kiosk.Phone}
}

// command hands on what came on the command topic. It never blocks.
func (f *floor) command(payload []byte) {
	if s := f.entrance.Load(); s != nil {
		s.Command(payload)
		return
	}
	f.d.uplink.Count("commands_dropped")
}

// entranceOf is the part of a configuration that the doors service is built from.
func entranceOf(c config.Config) doors.Config {
	d := doors.Config{Gateway: c.Gateway}
	for _, one := range c.Doors {
		d.Doors = append(d.Doors, doors.DoorConfig{
			ID: one.ID, Name: one.Name, English: one.English, HasContact: one.Contact != nil, Strike: one.Strike,
		})
	}
	return d
}
