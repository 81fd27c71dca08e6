package cloud

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ntpc-smart-community/lobby/cloud/store"
)

// inside is what this machine alone may ask: /metrics and /healthz.
func (p *parts) inside() http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(figures{p})
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(r, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", p.healthz)
	return mux
}

// healthz answers 200 while the database can be read.
func (p *parts) healthz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	err := p.db.Read(ctx, func(tx *store.Tx) error {
		_, err := p.fleet.SiteIDs(ctx, tx)
		return err
	})
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"state":"database does not answer"}` + "\n")) // a failed write means that the asker has left
		return
	}
	_, _ = w.Write([]byte(`{"state":"ok"}` + "\n"))
}

// figures reads all counts at each scrape.
type figures struct{ *parts }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("lobby_cloud_"+name, help, labels, nil)
}

// Describe says nothing: names depend on what has happened.
func (figures) Describe(chan<- *prometheus.Desc) {}

// Collect gives the figures of broker, ingest and notices.
func (f figures) Collect(to chan<- prometheus.Metric) {
	b, n := f.broker.Counts(), f.notify.Counts()
	to <- prometheus.MustNewConstMetric(desc("gateways_connected", "MQTT sessions now."), prometheus.GaugeValue, float64(b.Connected))
	count := func(d *prometheus.Desc, what map[string]int64) {
		for name, value := range what {
			to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), name)
		}
	}
	count(desc("broker_total", "What the broker has counted, by name.", "what"), map[string]int64{
		"sessions": b.Sessions, "taken_over": b.TakenOver, "refused": b.Refused, "denied": b.Denied, "retained": b.Retained,
		"received": b.Received, "failed": b.Failed, "dropped": b.Dropped, "accept_errors": b.AcceptErrors, "turned": b.Turned,
	})
	count(desc("ingest_total", "What ingest has counted, by name.", "what"), f.ingest.Counts())
	count(desc("notices_total", "Notices made, sent, and tries that failed.", "what"), map[string]int64{"made": n.Made, "sent": n.Sent, "failed": n.Failed})
}
