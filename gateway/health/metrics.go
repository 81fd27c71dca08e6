package health

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ntpc-smart-community/lobby/drivers"
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
	lineErrors   = counter("line_errors_total", "What went wrong on the line, by class.", "bus", "class")
	lineUse      = gauge("line_use_ratio", "Part of the last minute in which the line was held.", "bus")
	lineNeed     = gauge("line_polls_need_ratio", "Part of the line's time that its polls need, computed.", "bus")
	openings     = counter("line_openings_total", "Openings that went over the line.", "bus")
	openingWait  = gauge("line_opening_wait_seconds", "Wait of an opening for its frame: usual, worst of the last hour, and computed at most, while all devices answer and if another falls silent.", "bus", "figure")
	lineLosses   = counter("line_port_losses_total", "Times an open port went away.", "bus")
	deviceOnline = gauge("device_online", "1 while the device answers.", "device")
	deviceAge    = gauge("device_answer_age_seconds", "Seconds since the last good answer; -1 when there was none.", "device")
	deviceTurn   = gauge("device_turnaround_seconds", "Usual time from a request to its answer.", "device")
	deviceLimit  = gauge("device_timeout_seconds", "Time-out that was learned for the device's answer.", "device")
	devicePeriod = gauge("device_period_seconds", "Usual time from one poll of the device to the next.", "device")
	deviceRests  = gauge("device_resting", "1 while the device is long silent, and asked now and then only.", "device")
	deviceErrors = counter("device_errors_total", "What went wrong with the device's answers, by class.", "device", "class")
)

func all() []desc {
	return []desc{connected, answerAge, undelivered, storeBytes, diskFree, configOK, counted, lineOpen, lineBusy, lineQuiet,
		lineFrames, lineErrors, lineUse, lineNeed, openings, openingWait, lineLosses,
		deviceOnline, deviceAge, deviceTurn, deviceLimit, devicePeriod, deviceRests, deviceErrors}
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
	for name := range s.Lines {
		s.collectLine(put, name)
	}
	heard := s.heard()
	for _, d := range s.Devices {
		collectDevice(put, d, heard[d.Device])
	}
}

type putter func(d desc, v float64, labels ...string)

func (s Snapshot) collectLine(put putter, name string) {
	l, computed := s.Lines[name], s.Computed[name]
	put(lineOpen, truth(l.Open), name)
	put(lineBusy, l.Line.Busy.Seconds(), name)
	put(lineQuiet, l.Line.Quiet.Seconds(), name)
	put(lineFrames, float64(l.Line.Transactions), name)
	put(lineLosses, float64(l.Losses), name)
	put(lineUse, l.Use, name)
	put(lineNeed, computed.Use, name)
	collectErrors(put, lineErrors, l.Line, name)
	put(lineErrors, float64(l.Stray), name, "stray_bytes")
	if w := computed.Open; w != nil {
		o := s.Openings[name]
		put(openings, float64(o.Count), name)
		put(openingWait, o.Usual.Seconds(), name, "usual")
		put(openingWait, o.Worst.Seconds(), name, "worst_of_hour")
		put(openingWait, w.Answering.Seconds(), name, "computed")
		put(openingWait, w.Silent.Seconds(), name, "computed_if_another_falls_silent")
	}
}

func collectDevice(put putter, d drivers.Health, heard bus.Device) {
	put(deviceOnline, truth(d.Online), d.Device)
	put(deviceAge, age(d.LastOK), d.Device)
	put(deviceTurn, heard.Turn.Seconds(), d.Device)
	put(deviceLimit, heard.Limit.Seconds(), d.Device)
	put(devicePeriod, heard.Period.Seconds(), d.Device)
	put(deviceRests, truth(heard.Resting), d.Device)
	collectErrors(put, deviceErrors, heard.Counters, d.Device)
}

func collectErrors(put putter, d desc, c bus.Counters, name string) {
	e := errorsOf(c)
	put(d, float64(e.Timeouts), name, "timeout")
	put(d, float64(e.Late), name, "late")
	put(d, float64(e.Stalled), name, "stalled")
	put(d, float64(e.Damaged), name, "damaged")
	put(d, float64(e.Foreign), name, "foreign")
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
