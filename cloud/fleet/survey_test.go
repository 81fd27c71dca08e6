package fleet_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/fleet/fleettest"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// A survey says of every gateway what Health says of it alone, and names the devices that are not online.
func TestSurvey(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		s := newSite(t, open())
		for n := range 5 {
			box := fleettest.New(t, fmt.Sprintf("gw-x%d", n))
			s.write(func(tx *store.Tx) error {
				return s.fleet.RegisterGateway(t.Context(), tx, fleet.Gateway{ID: box.ID, Site: "site-1", EventKey: box.Public()}, s.now)
			})
			for i := range n {
				box.Health.Devices = append(box.Health.Devices, wire.DeviceHealth{ID: fmt.Sprint("d-", i), Kind: "door", Online: i%2 == 0, Error: "no answer"})
			}
			if n > 0 {
				_, err := s.fleet.Pulse(t.Context(), box.ID, box.Pulse(), s.now.Add(time.Duration(n)*time.Second))
				s.must(err)
			}
		}
		s.write(func(tx *store.Tx) error {
			return errors.Join(s.fleet.Raise(t.Context(), tx, "gw-x1", fleet.AlarmFork, "b", s.now), s.fleet.Raise(t.Context(), tx, "gw-x1", fleet.AlarmClone, "a", s.now),
				s.fleet.Raise(t.Context(), tx, "gw-x2", fleet.AlarmFork, "c", s.now), s.fleet.Clear(t.Context(), tx, "gw-x2", fleet.AlarmFork, "c", s.now))
		})
		s.write(func(tx *store.Tx) error {
			all, err := s.fleet.Survey(t.Context(), tx)
			if err != nil || len(all) != 6 {
				t.Fatalf("Survey = %d gateways, %v", len(all), err)
			}
			of, err := s.fleet.Devices(t.Context(), tx, "gw-x3", "gw-x4", "gw-none")
			if err != nil || len(of) != 2 || len(of["gw-x3"]) != 3 || len(of["gw-x4"]) != 4 {
				t.Errorf("Devices = %v, %v", of, err)
			}
			for _, h := range all {
				one, err := s.fleet.Health(t.Context(), tx, h.Gateway)
				if err != nil {
					return err
				}
				if some, asked := of[h.Gateway]; asked && !reflect.DeepEqual(some, one.Devices) {
					t.Errorf("%s: Devices has %+v, Health %+v", h.Gateway, some, one.Devices)
				}
				for _, d := range one.Devices {
					if d.Online && d.Error != "" {
						t.Errorf("%s: an online device has the error %q", h.Gateway, d.Error)
					}
				}
				one.Devices = slices.DeleteFunc(one.Devices, func(d fleet.Device) bool { return d.Online })
				if len(one.Devices) == 0 {
					one.Devices = nil
				}
				if !reflect.DeepEqual(h, one) {
					t.Errorf("Survey has %+v, Health %+v", h, one)
				}
			}
			return nil
		})
	})
}

// A pulse that claims an absurd number of devices changes nothing. // invariant 9
func TestPulseWithAbsurdCounts(t *testing.T) {
	s := newSite(t, storetest.Open(t, storetest.SQLite(t)))
	for _, more := range []int{-1, 1 << 40} {
		s.box.Health.More = more
		if _, err := s.fleet.Pulse(t.Context(), "gw-1", s.box.Pulse(), s.now); !errors.Is(err, wire.ErrFormat) {
			t.Errorf("%d more devices: %v; want %v", more, err, wire.ErrFormat)
		}
	}
	if h := s.health(); h.AsOf != 0 {
		t.Errorf("it was taken: %+v", h)
	}
}
