package wire_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// What DecodeBlock accepts, encodes back to the same header, events and signature.
func FuzzDecodeBlock(f *testing.F) {
	for _, n := range []int{1, 3} {
		packed, err := wire.EncodeBlock(key(1), block(n))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed)
	}
	f.Add(pack(f, make([]byte, 2<<20)))
	f.Fuzz(func(t *testing.T, in []byte) {
		b, hash, err := wire.DecodeBlock(keyOf(1), in)
		if err != nil {
			return
		}
		again, err := wire.EncodeBlock(key(1), b)
		if err != nil {
			t.Fatalf("what was decoded does not encode: %v", err)
		}
		c, againHash, err := wire.DecodeBlock(keyOf(1), again)
		if err != nil || c.After() != b.After() || againHash != hash {
			t.Errorf("block encodes back to another: %v", err)
		}
	})
}

// An event that is accepted keeps its meaning when it is encoded again.
func FuzzDecodeEvent(f *testing.F) {
	for _, e := range events(2) {
		f.Add(e)
	}
	f.Add([]byte(`{"type":"a.b","subject":"c","first":{"epoch":1,"stream":"audit","segment":1,"seq":1,"hash":""}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		e, err := wire.DecodeEvent(in)
		if err != nil {
			return
		}
		b, err := wire.EncodeEvent(e)
		if err != nil {
			return // escaping may make it longer than MaxEvent
		}
		again, err := wire.DecodeEvent(b)
		if err != nil {
			t.Fatalf("DecodeEvent(EncodeEvent) = %v", err)
		}
		if c, err := wire.EncodeEvent(again); err != nil || !bytes.Equal(b, c) {
			t.Errorf("event changes when encoded again:\n%s\n%s", b, c)
		}
	})
}

// Only what the key signed is opened, whatever else comes.
func FuzzOpen(f *testing.F) {
	signed := map[string]bool{}
	for name, d := range documents() {
		b, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
		if err != nil {
			f.Fatal(err)
		}
		if d.context == wire.ContextPulse {
			signed[string(b)] = true
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var doc json.RawMessage
		if err := wire.Open(public(1), wire.ContextPulse, in, &doc); err == nil && !signed[string(in)] {
			t.Errorf("Open accepts %q", in)
		}
		var p wire.Pulse
		_ = wire.Peek(in, &p)
	})
}

// A part is what its hash says, and never larger than it may be.
func FuzzDecodePart(f *testing.F) {
	_, packed, _, err := wire.EncodePart(wire.Policy{StayHours: 72})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed)
	f.Fuzz(func(t *testing.T, in []byte) {
		raw, h, err := wire.DecodePart(in)
		if err != nil {
			return
		}
		if len(raw) > wire.MaxPart || h.IsZero() {
			t.Errorf("DecodePart gives %d bytes", len(raw))
		}
	})
}

// No text but the signed one opens, and a ticket that is read is written back the same.
func FuzzOpenTicket(f *testing.F) {
	text, err := wire.SignTicket(key(1), ticket())
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{text, text[:len(text)-1], strings.ToLower(text), wire.TicketPrefix, wire.TicketPrefix + "AA"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		if _, err := wire.OpenTicket(public(1), in); err == nil && in != text {
			t.Errorf("OpenTicket accepts %q", in)
		}
		_, _ = wire.PeekTicket(in)
	})
}

func FuzzParseTopic(f *testing.F) {
	f.Add(wire.EventsTopic(gateway))
	f.Add(wire.CommandTopic(gateway))
	f.Fuzz(func(t *testing.T, in string) {
		g, kind, isUp, err := wire.ParseTopic(in)
		if err == nil && isUp && in != wire.EventsTopic(g) && in != wire.PulseTopic(g) && in != wire.ChallengeTopic(g) {
			t.Errorf("ParseTopic(%q) accepts kind %s", in, kind)
		}
	})
}
