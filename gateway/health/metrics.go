package health

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

// collector reads one snapshot for each scrape.
type collector struct{ read func() Snapshot }

type desc struct {
	*prometheus.Desc
	kind prometheus.ValueType
}

func gauge(name, help string, labels ...string) desc {
	return desc{prometheus.NewDesc("lobby_"+name, help, labels, nil), prometheus.GaugeValue}
}

func counter(name, help string, labels ...string) desc {
	return desc{prometheus.NewDesc("lobby_"+name, help, labels, nil), prometheus.CounterValue}
}

var (
	connected    = gauge("link_connected", "1 while connected to the broker.")
	answerAge    = gauge("answer_age_seconds", "Seconds since the cloud's last answer; -1 when there was none.")
	undelivered  = gauge("undelivered_events", "Events that the cloud has not answered for.")
	storeBytes   = gauge("store_bytes", "Size of the store.")
	diskFree     = gauge("disk_free_bytes", "Free bytes on the store's disk.")
	configOK     = gauge("config_ok", "1 when the whole configuration is in force.")
	counted      = counter("events_counted_total", "What the link has counted, by name.", "name")
	lineOpen     = gauge("line_open", "1 while the port is open.", "bus")
	lineBusy     = counter("line_busy_seconds_total", "Time the line was held.", "bus")
	lineQuiet    = counter("line_quiet_seconds_total", "Time the line rested after time-outs.", "bus")
	lineFrames   = counter("line_transactions_total", "Frames handed to the port.", "bus")
	lineTimeouts = counter("line_timeouts_total", "Requests without a usable answer in time.", "bus")
	lineBad      = counter("line_bad_frames_total", "Damaged or foreign frames dropped.", "bus")
	lineLosses   = counter("line_port_losses_total", "Times an open port went away.", "bus")
	deviceOnline = gauge("device_online", "1 while the device answers.", "device")
	deviceAge    = gauge("device_answer_age_seconds", "Seconds since the last good answer; -1 when there was none.", "device")
	deviceTurn   = gauge("device_turnaround_seconds", "Usual time from a request to its answer.", "device")
	deviceErrors = counter("device_errors_total", "Time-outs and damaged or foreign answers.", "device")
)

func all() []desc {
	return []desc{connected, answerAge, undelivered, storeBytes, diskFree, configOK, counted, lineOpen, lineBusy, lineQuiet,
		lineFrames, lineTimeouts, lineBad, lineLosses, deviceOnline, deviceAge, deviceTurn, deviceErrors}
}

// Describe implements prometheus.Collector.
func (collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range all() {
		out <- d.Desc
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	s := c.read()
	put := func(d desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d.Desc, d.kind, v, labels...)
	}
	put(connected, truth(s.Connected))
	put(answerAge, age(s.Answered))
	put(undelivered, float64(s.Undelivered))
	put(storeBytes, float64(s.StoreSize))
	put(diskFree, float64(s.DiskFree))
	put(configOK, truth(s.Config == ConfigOK))
	for name, n := range s.Counters {
		put(counted, float64(n), name)
	}
	for name, l := range s.Lines {
		collectLine(put, name, l)
	}
	for _, d := range s.Devices {
		put(deviceOnline, truth(d.Online), d.Device)
		put(deviceAge, age(d.LastOK), d.Device)
		put(deviceTurn, d.Turn.Seconds(), d.Device)
		put(deviceErrors, float64(d.Errors), d.Device)
	}
}

func collectLine(put func(desc, float64, ...string), name string, l bus.Stats) {
	put(lineOpen, truth(l.Open), name)
	put(lineBusy, l.Line.Busy.Seconds(), name)
	put(lineQuiet, l.Line.Quiet.Seconds(), name)
	put(lineFrames, float64(l.Line.Transactions), name)
	put(lineTimeouts, float64(l.Line.Timeouts), name)
	put(lineBad, float64(l.Line.Bad+l.Line.Foreign), name)
	put(lineLosses, float64(l.Losses), name)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func age(t time.Time) float64 {
	if t.IsZero() {
		return -1
	}
	return time.Since(t).Seconds()
}
