package broker

import (
	"context"
	"log/slog"
)

// quiet lets through what the MQTT library warns of, without its attributes: it logs refused packets whole, and their
// payloads are nobody's business (invariant 10). What matters is logged by the hook.
type quiet struct{ inner slog.Handler }

func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && q.inner.Enabled(ctx, slog.LevelDebug)
}

func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	bare := slog.NewRecord(r.Time, slog.LevelDebug, "mqtt: "+r.Message, 0)
	r.Attrs(func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(error); ok && a.Key == "error" {
			bare.AddAttrs(slog.String("err", err.Error()))
		}
		if a.Key == "client" {
			bare.AddAttrs(slog.String("gateway", a.Value.String()))
		}
		return true
	})
	return q.inner.Handle(ctx, bare)
}

func (q quiet) WithAttrs([]slog.Attr) slog.Handler { return q }
func (q quiet) WithGroup(string) slog.Handler      { return q }
