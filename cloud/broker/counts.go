package broker

import "sync/atomic"

// Counts are a broker's figures since its start, Connected apart, which is now.
type Counts struct {
	Connected    int64 // sessions now
	Sessions     int64 // begun
	TakenOver    int64 // ended by another connection of the same certificate
	Refused      int64 // CONNECTs refused: identity, will, protocol
	Denied       int64 // publishes and subscriptions outside the gateway's own topics
	Retained     int64 // connections ended for a retained publish or will
	Received     int64 // messages handed to the handler
	Failed       int64 // of these, refused by the handler
	Dropped      int64 // messages that a gateway did not take
	AcceptErrors int64
	Turned       int64 // connections turned away because there were too many
}

// counters are Counts while they move.
type counters struct {
	sessions, takenOver, refused, denied, retained, received, failed, dropped, acceptErrors, turned atomic.Int64
}

// Counts tells the figures.
func (b *Broker) Counts() Counts {
	c := &b.hook.counts
	return Counts{
		Connected:    atomic.LoadInt64(&b.server.Info.ClientsConnected),
		Sessions:     c.sessions.Load(),
		TakenOver:    c.takenOver.Load(),
		Refused:      c.refused.Load(),
		Denied:       c.denied.Load(),
		Retained:     c.retained.Load(),
		Received:     c.received.Load(),
		Failed:       c.failed.Load(),
		Dropped:      c.dropped.Load() + atomic.LoadInt64(&b.server.Info.InflightDropped),
		AcceptErrors: c.acceptErrors.Load(),
		Turned:       c.turned.Load(),
	}
}
