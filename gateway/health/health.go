// Package health says how a gateway is: to a technician and Prometheus on loopback, and to the cloud in every pulse.
//
// It owns nothing: each question is answered from a Snapshot taken at that moment, and every value that comes from a
// device carries the time at which it was true.
package health

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
	"github.com/ntpc-smart-community/lobby/gateway/timing"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// What became of the configuration.
const (
	ConfigOK       = "ok"
	ConfigPartly   = "partly"    // entries with a fault are left out
	ConfigLastGood = "last_good" // the file cannot be used: the last good one is in force
)

// Snapshot is how the gateway is at one moment.
type Snapshot struct {
	Version     string
	Config      string   // ConfigOK, ConfigPartly or ConfigLastGood
	Faults      []string // of the configuration, with their places
	Clock       wire.Quality
	Connected   bool        // to the broker
	Answered    time.Time   // when the last answer of the cloud was accepted; zero: never
	Undelivered uint64      // events that the cloud has not answered for
	Oldest      time.Time   // wall time of the oldest of them; zero: none
	Heads       []wire.Head // where each (epoch, stream) of the log stands
	StoreSize   int64       // bytes
	DiskFree    uint64      // bytes
	Lines       map[string]bus.Stats
	Computed    map[string]timing.Line // what each line should be able to do
	Openings    map[string]Openings    // by line
	Devices     []drivers.Health
	Meters      []Meter
	Counters    map[string]uint64 // by name: refused answers, blocks sent, …
}

// Openings are how long those who open something on a line have waited, from the call to the frame.
type Openings struct {
	Count uint64        // since the start
	Usual time.Duration // follows slowly
	Worst time.Duration // of the last hour
}

// Meter is how a gas meter stands.
type Meter struct {
	ID      string
	Quality string    // of its newest reading; empty: never read
	AsOf    time.Time // of that reading
	Litres  int64     // the last good total
	GoodAt  time.Time // zero: none yet
}

// Wire is the part of the snapshot that a pulse brings along.
func (s Snapshot) Wire() wire.Health {
	h := wire.Health{
		Undelivered: s.Undelivered,
		DiskFree:    s.DiskFree,
		StoreSize:   uint64(s.StoreSize),
		Config:      s.Config,
		Counters:    map[string]int{},
	}
	if !s.Oldest.IsZero() {
		h.OldestWall = wire.At(s.Oldest)
	}
	for _, d := range s.Devices {
		device := wire.DeviceHealth{ID: d.Device, Kind: Kind(d.Device), Online: d.Online}
		if !d.LastOK.IsZero() {
			device.At = wire.At(d.LastOK)
		}
		switch {
		case d.Online:
		case d.Silent == 0 && d.LastOK.IsZero():
			device.Code = wire.DeviceUnasked
		default:
			device.Code, device.Error = wire.DeviceMute, wire.Words(d.Error)
		}
		h.Devices = append(h.Devices, device)
	}
	for name, n := range s.Counters {
		h.Counters[name] = int(n)
	}
	return h
}

// Kind is the kind of a device by its name: locker/A/board/1 is a locker_board, meter/m-101 a gas_meter, door/ktv a door.
func Kind(device string) string {
	switch room, _, _ := strings.Cut(device, "/"); room {
	case "locker":
		return "locker_board"
	case "meter":
		return "gas_meter"
	case "door":
		return "door"
	}
	return "device"
}

// Handler serves /healthz (JSON; 503 when a person must look) and /metrics (Prometheus).
func Handler(read func() Snapshot) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{read})
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		report := read().report()
		w.Header().Set("Content-Type", "application/json")
		if report.Status != "ok" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(report) // the reader may have left
	})
	return mux
}

type report struct {
	Status      string         `json:"status"` // ok, degraded
	Why         []string       `json:"why,omitempty"`
	Version     string         `json:"version"`
	Config      string         `json:"config"`
	Faults      []string       `json:"faults,omitempty"`
	Clock       wire.Quality   `json:"clock"`
	Connected   bool           `json:"connected"`
	Answered    *time.Time     `json:"answered,omitempty"`
	Undelivered uint64         `json:"undelivered"`
	Oldest      *time.Time     `json:"oldest_undelivered,omitempty"`
	Log         []wire.Head    `json:"log"`
	Lines       []lineReport   `json:"lines"`
	Devices     []deviceReport `json:"devices"`
	Meters      []meterReport  `json:"meters,omitempty"`
}

type meterReport struct {
	ID      string     `json:"id"`
	Quality string     `json:"quality,omitempty"` // absent: never read
	AsOf    *time.Time `json:"as_of,omitempty"`
	Litres  *int64     `json:"litres,omitempty"` // the last good total
	GoodAt  *time.Time `json:"good_as_of,omitempty"`
	Stale   bool       `json:"stale,omitempty"` // its device does not answer: what stands here is what it once said
}

func (s Snapshot) report() report {
	r := report{
		Status: "ok", Version: s.Version, Config: s.Config, Faults: s.Faults, Clock: s.Clock,
		Connected: s.Connected, Answered: instant(s.Answered), Undelivered: s.Undelivered, Oldest: instant(s.Oldest),
		Log: s.Heads, Lines: []lineReport{}, Devices: []deviceReport{},
	}
	if s.Config != ConfigOK {
		r.Why = append(r.Why, "configuration: "+s.Config)
	}
	for _, name := range sorted(s.Lines) {
		l := s.Lines[name]
		r.Lines = append(r.Lines, s.line(name))
		switch {
		case !l.Open:
			r.Why = append(r.Why, "line "+name+" is not open")
		case l.Fault != "":
			r.Why = append(r.Why, "line "+name+": "+l.Fault)
		}
	}
	silent, heard := map[string]bool{}, s.heard()
	for _, d := range s.Devices {
		silent[d.Device] = !d.Online
		r.Devices = append(r.Devices, device(d, heard[d.Device]))
		if !d.Online {
			r.Why = append(r.Why, d.Device+" does not answer")
		}
	}
	for _, m := range s.Meters {
		one := meterReport{ID: m.ID, Quality: m.Quality, AsOf: instant(m.AsOf), GoodAt: instant(m.GoodAt), Stale: silent["meter/"+m.ID]}
		if one.GoodAt != nil {
			one.Litres = &m.Litres
		}
		r.Meters = append(r.Meters, one)
		if m.Quality != "" && m.Quality != wire.ReadingGood && !silent["meter/"+m.ID] {
			r.Why = append(r.Why, "meter/"+m.ID+": "+m.Quality)
		}
	}
	if len(r.Why) > 0 {
		r.Status = "degraded"
	}
	return r
}

func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
