package health_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
	"github.com/ntpc-smart-community/lobby/gateway/health"
	"github.com/ntpc-smart-community/lobby/gateway/timing"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func get(t *testing.T, s health.Snapshot, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	health.Handler(func() health.Snapshot { return s }).ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func well() health.Snapshot {
	return health.Snapshot{
		Version: "1", Config: health.ConfigOK, Clock: wire.FromAnswer, Connected: true, Answered: time.Now(),
		Lines: map[string]bus.Stats{"a": {
			Open: true, Port: "/dev/ttyUSB0", Use: 0.25, Line: bus.Counters{Transactions: 7, Timeouts: 2, Bad: 3}, Stray: 5,
			Devices: map[string]bus.Device{"locker/A/board/0": {
				Counters: bus.Counters{Transactions: 7, Answers: 5, Timeouts: 2, Late: 1, Bad: 3}, Turn: 25 * time.Millisecond, Limit: 75 * time.Millisecond, Period: time.Second,
			}},
		}},
		Computed: map[string]timing.Line{"a": {Use: 0.07, Open: &timing.Wait{Answering: 73 * time.Millisecond, Silent: 119 * time.Millisecond}}},
		Openings: map[string]health.Openings{"a": {Count: 9, Usual: 40 * time.Millisecond, Worst: 70 * time.Millisecond}},
		Devices:  []drivers.Health{{Device: "locker/A/board/0", Online: true, LastOK: time.Unix(1_780_000_000, 0)}},
		Counters: map[string]uint64{"blocks_sent": 3},
	}
}

func TestHealthzNamesWhatIsWrong(t *testing.T) {
	tests := []struct {
		name   string
		change func(*health.Snapshot)
		code   int
		want   string
	}{
		{"well", func(*health.Snapshot) {}, 200, `"status":"ok"`},
		{"offline is no fault", func(s *health.Snapshot) { s.Connected = false }, 200, `"connected":false`},
		{"line closed", func(s *health.Snapshot) { s.Lines["a"] = bus.Stats{Error: "gone"} }, 503, "line a is not open"},
		{"a line that echoes", func(s *health.Snapshot) { s.Lines["a"] = bus.Stats{Open: true, Fault: "it echoes"} }, 503, "line a: it echoes"},
		{"a meter's value of a silent device", func(s *health.Snapshot) {
			s.Devices[0] = drivers.Health{Device: "meter/m-1"}
			s.Meters = []health.Meter{{ID: "m-1", Quality: wire.ReadingGood, Litres: 7, GoodAt: time.Unix(1_780_000_000, 0).UTC()}}
		}, 503, `"good_as_of":"2026-05-28T20:26:40Z","stale":true}`},
		{"device silent", func(s *health.Snapshot) { s.Devices[0].Online = false }, 503, "locker/A/board/0 does not answer"},
		{"a meter that is another one", func(s *health.Snapshot) {
			s.Meters = []health.Meter{{ID: "m-1", Quality: wire.ReadingForeign, AsOf: time.Unix(1_780_000_000, 0)}}
		}, 503, `"why":["meter/m-1: identity_mismatch"]`},
		{"a silent meter, said once", func(s *health.Snapshot) {
			s.Devices[0] = drivers.Health{Device: "meter/m-1"}
			s.Meters = []health.Meter{{ID: "m-1", Quality: wire.ReadingBad, Litres: 7, GoodAt: time.Unix(1_780_000_000, 0)}}
		}, 503, `"why":["meter/m-1 does not answer"]`},
		{"a meter not read yet", func(s *health.Snapshot) { s.Meters = []health.Meter{{ID: "m-1"}} }, 200, `"meters":[{"id":"m-1"}]`},
		{"last good file", func(s *health.Snapshot) { s.Config = health.ConfigLastGood }, 503, "configuration: last_good"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := well()
			test.change(&s)
			if code, body := get(t, s, "/healthz"); code != test.code || !strings.Contains(body, test.want) {
				t.Errorf("/healthz = %d %s, want %d with %s", code, body, test.code, test.want)
			}
		})
	}
}

func TestEveryDeviceValueSaysAsOf(t *testing.T) {
	_, body := get(t, well(), "/healthz")
	var report struct {
		Devices []struct {
			AsOf time.Time `json:"as_of"`
		} `json:"devices"`
	}
	if err := json.Unmarshal([]byte(body), &report); err != nil || len(report.Devices) != 1 || report.Devices[0].AsOf.Unix() != 1_780_000_000 {
		t.Errorf("/healthz = %s, %v", body, err)
	}
	if w := well().Wire(); w.Devices[0].At != 1_780_000_000_000_000 || w.Devices[0].Kind != "locker_board" {
		t.Errorf("Wire() = %+v", w)
	}
}

// The measured figures stand beside the computed ones.
func TestHealthzMeasuredAndComputed(t *testing.T) {
	_, body := get(t, well(), "/healthz")
	for _, want := range []string{
		`"use":0.25,"polls_need":0.07`,
		`"openings":{"count":9,"usual_ms":40,"worst_of_hour_ms":70,"computed_ms":73,"computed_if_another_falls_silent_ms":119}`,
		`"turnaround_ms":25,"timeout_ms":75,"every_ms":1000,"errors":{"timeouts":2,"late":1,"stalled":0,"damaged":3,"foreign":0}`,
		`"answer_age_seconds":`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("/healthz = %s, without %s", body, want)
		}
	}
	s := well()
	s.Lines["a"].Devices["locker/A/board/0"] = bus.Device{Resting: true, NextProbe: time.Unix(1_780_000_000, 0).UTC()}
	if _, body = get(t, s, "/healthz"); !strings.Contains(body, `"resting":true,"next_probe":"2026-05-28T20:26:40Z"`) {
		t.Errorf("/healthz of a resting device = %s", body)
	}
}

func TestMetrics(t *testing.T) {
	code, body := get(t, well(), "/metrics")
	for _, want := range []string{
		`lobby_line_transactions_total{bus="a"} 7`, `lobby_device_online{device="locker/A/board/0"} 1`,
		`lobby_line_errors_total{bus="a",class="damaged"} 3`, `lobby_line_errors_total{bus="a",class="stray_bytes"} 5`, `lobby_line_use_ratio{bus="a"} 0.25`,
		`lobby_line_opening_wait_seconds{bus="a",figure="computed"} 0.073`, `lobby_line_opening_wait_seconds{bus="a",figure="worst_of_hour"} 0.07`, `lobby_line_openings_total{bus="a"} 9`,
		`lobby_device_errors_total{class="timeout",device="locker/A/board/0"} 2`, `lobby_device_timeout_seconds{device="locker/A/board/0"} 0.075`,
		`lobby_device_period_seconds{device="locker/A/board/0"} 1`, `lobby_device_resting{device="locker/A/board/0"} 0`,
		`lobby_link_connected 1`, `lobby_events_counted_total{name="blocks_sent"} 3`,
	} {
		if code != 200 || !strings.Contains(body, want) {
			t.Errorf("/metrics = %d, without %s", code, want)
		}
	}
}

func TestKinds(t *testing.T) {
	for device, want := range map[string]string{"locker/A/board/1": "locker_board", "meter/m-101": "gas_meter", "door/ktv": "door", "x": "device"} {
		if got := health.Kind(device); got != want {
			t.Errorf("Kind(%s) = %s; want %s", device, got, want)
		}
	}
}

// The pulse says what is wrong with a device in its driver's words, fit to travel, and nothing of one that is online.
func TestPulseSaysWhatIsWrong(t *testing.T) {
	s := well()
	s.Devices[0].Error = "yesterday's"
	s.Devices = append(s.Devices, drivers.Health{Device: "meter/m-1", Silent: 3, Error: "bus gas: no answer\n" + strings.Repeat("查", 99)}, drivers.Health{Device: "door/ktv", Error: "not asked yet"}, drivers.Health{Device: "lamp", LastOK: time.Unix(1, 0)})
	got := s.Wire().Devices
	if d := got[0]; d.Error != "" || d.Code != "" {
		t.Errorf("an online device has %+v", d)
	}
	if d := got[1]; d.Code != "silent" || d.Kind != "gas_meter" || !strings.HasPrefix(d.Error, "bus gas: no answer 查") || len(d.Error) > wire.MaxWords {
		t.Errorf("a silent device has %+v", d)
	}
	if d := got[2]; d.Kind != "door" || d.Code != "unasked" || d.Error != "" {
		t.Errorf("a device that was not asked yet has %+v", d)
	}
	if d := got[3]; d.Kind != "device" || d.Code != "silent" {
		t.Errorf("a device that answered once has %+v", d)
	}
}
