package wire_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

var update = flag.Bool("update", false, "write the golden vectors anew: only when the contract itself changes")

const gateway = "gw-banqiao-7"

func key(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
}

func public(n byte) ed25519.PublicKey { return key(n).Public().(ed25519.PublicKey) }

func keyOf(n byte) func(string) (ed25519.PublicKey, error) {
	return func(string) (ed25519.PublicKey, error) { return public(n), nil }
}

func events(n int) [][]byte {
	var out [][]byte
	for i := range n {
		b, err := wire.EncodeEvent(wire.Event{
			Type: wire.UnlockIntended, Subject: "compartment/A-18", Version: uint64(i + 1),
			State: wire.Raw(wire.Compartment{Bank: "A", Number: 18, Content: "opening", Purpose: "deposit", Service: "in", Door: "closed", Item: "empty"}),
			Wall:  1_780_000_000_000_000 + wire.Micros(i), Clock: wire.FromAnswer, Mono: int64(i), Boot: 3,
			Data: wire.Raw(wire.Intent{ID: fmt.Sprint("i-", i), Purpose: "deposit", Grant: "courier", Holder: "courier/black-cat", Try: 1}),
		})
		if err != nil {
			panic(err)
		}
		out = append(out, b)
	}
	return out
}

func block(n int) wire.Block {
	nonce := wire.Hash{1, 2, 3}
	return wire.Block{
		Gateway: gateway, Epoch: 2, Stream: wire.Audit, Segment: 1, First: 1,
		Before: wire.EpochSeed(gateway, 2, wire.Audit, nonce), Events: events(n),
	}
}

// documents are one of each signed document, as frozen in testdata.
func documents() map[string]struct {
	context wire.Context
	doc     any
} {
	h := wire.Hash{0xaa, 31: 0x55}
	type d = struct {
		context wire.Context
		doc     any
	}
	return map[string]d{
		"keyset": {wire.ContextKeys, wire.KeySet{Doc: "keys", Fleet: "new-taipei", Version: 4, Keys: []wire.Key{
			{ID: "answer-1", Use: "answer", Public: public(7), Until: 1_790_000_000_000_000},
		}}},
		"root": {wire.ContextState, wire.Root{Doc: "root", Gateway: gateway, Key: "state-1", Version: 1_780_000_000_000, Issued: 1_780_000_000_000_000,
			Parts: []wire.PartRef{{Name: wire.PartCouriers, Hash: h}}}},
		"pulse": {wire.ContextPulse, wire.Pulse{Gateway: gateway, Nonce: "bm9uY2U", Boot: 3, Counter: 9, Answer: "0006", Version: "1.0.0", KeySet: 4,
			State: wire.StateVersion{Version: 5, Hash: h}, Missing: []wire.Hash{h},
			Held:      []wire.Head{{Epoch: 2, Stream: wire.Audit, Oldest: 1, Segment: 3, Seq: 17, Hash: h}},
			Delivered: []wire.Row{{Epoch: 2, Stream: wire.Audit, Whole: []wire.Run{{From: 1, To: 2, Hash: h}}, Partial: []wire.Position{{Segment: 3, Seq: 11, Hash: h}}}},
			Wall:      1_780_000_000_000_000, Clock: wire.FromAnswer,
			Health: wire.Health{Devices: []wire.DeviceHealth{{ID: "locker/A/board/1", Kind: "locker_board", Online: true, At: 1_780_000_000_000_000}}, Undelivered: 6, DiskFree: 1 << 30, StoreSize: 1 << 20, Config: "ok"}}},
		"answer": {wire.ContextAnswer, wire.Answer{Gateway: gateway, Nonce: "bm9uY2U", Serial: "0007", Page: 1, Pages: 1, Time: 1_780_000_000_000_000, Key: "answer-1", Epoch: 2, KeySet: 4,
			State: wire.StateVersion{Version: 5, Hash: h}, Rows: []wire.Row{{Epoch: 2, Stream: wire.Audit, Partial: []wire.Position{{Segment: 1, Seq: 4, Hash: h, End: 9}}}},
			Refusals: []wire.Refusal{{Name: wire.Name{Epoch: 2, Stream: wire.Audit, Segment: 1, Seq: 5}, Block: h, Reason: "chain"}}}},
		"command": {wire.ContextCommand, wire.Command{Doc: "command", Gateway: gateway, Key: "command-1", ID: "0198c0de", Device: "door/ktv", What: "open", Challenge: "Y2hhbGxlbmdl", Who: "person/1", Why: "maintenance"}},
	}
}

// The bytes of the wire are frozen: boxes in the field will speak them for years.
func TestGoldenDocuments(t *testing.T) {
	for name, d := range documents() {
		t.Run(name, func(t *testing.T) {
			got, err := wire.Sign(key(1), d.context, d.doc)
			if err != nil {
				t.Fatal(err)
			}
			want := golden(t, name+".txt", got)
			if !bytes.Equal(got, want) {
				t.Errorf("%s is now\n%s\nwant\n%s", name, got, want)
			}
			if err := wire.Open(public(1), d.context, want, &json.RawMessage{}); err != nil {
				t.Errorf("Open(golden %s) = %v", name, err)
			}
		})
	}
}

func ticket() wire.Ticket {
	return wire.Ticket{
		ID: "0198c0de-2026-7000-8000-00000000b00c", Gateway: gateway, Door: "ktv", From: 1_780_000_000_000_000, Until: 1_780_007_200_000_000, Uses: 1,
		Issued: 1_779_990_000_000_000, Key: "ticket-1",
	}
}

func TestGoldenTicket(t *testing.T) {
	text, err := wire.SignTicket(key(1), ticket())
	if err != nil {
		t.Fatal(err)
	}
	want := string(golden(t, "ticket.txt", []byte(text)))
	if text != want {
		t.Errorf("ticket is now\n%s\nwant\n%s", text, want)
	}
	if strings.Trim(want, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" || len(want) > 440 {
		t.Errorf("ticket of %d characters; want capitals and digits, as few as a QR code shows well", len(want))
	}
	if got, err := wire.OpenTicket(public(1), want); err != nil || got != ticket() {
		t.Errorf("OpenTicket = %+v, %v", got, err)
	}
	if _, err := wire.OpenTicket(public(2), want); !errors.Is(err, wire.ErrSignature) {
		t.Errorf("with another key: %v", err)
	}
	command, err := wire.Sign(key(1), wire.ContextCommand, ticket())
	if err != nil {
		t.Fatal(err)
	}
	if err := wire.Open(public(1), wire.ContextTicket, command, &wire.Ticket{}); !errors.Is(err, wire.ErrSignature) {
		t.Errorf("a command taken for a ticket: %v", err)
	}
}

func TestGoldenBlocks(t *testing.T) {
	sealed := block(3)
	sealed.End = 3
	for name, b := range map[string]wire.Block{"block-open": block(2), "block-sealed": sealed} {
		t.Run(name, func(t *testing.T) {
			packed, err := wire.EncodeBlock(key(1), b)
			if err != nil {
				t.Fatal(err)
			}
			plain := golden(t, name+".txt", unpack(t, packed))
			if got := unpack(t, packed); !bytes.Equal(got, plain) {
				t.Errorf("%s is now\n%s\nwant\n%s", name, got, plain)
			}
			// The compressor may change from release to release; what was sent by an older one must stay readable.
			old := golden(t, name+".zst", packed)
			got, _, err := wire.DecodeBlock(keyOf(1), old)
			if err != nil {
				t.Fatal(err)
			}
			if got.After() != b.After() || got.Last() != b.Last() || got.End != b.End {
				t.Errorf("golden %s decodes to %+v", name, got)
			}
		})
	}
}

func golden(t *testing.T, name string, now []byte) []byte {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, now, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func unpack(t *testing.T, packed []byte) []byte {
	t.Helper()
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	raw, err := d.DecodeAll(packed, nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func pack(t testing.TB, raw []byte) []byte {
	t.Helper()
	return packer().EncodeAll(raw, nil)
}

var packer = sync.OnceValue(func() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		panic(err)
	}
	return e
})

// A document signed for one purpose, by one key, over some bytes, is worthless for another. // invariant 11
func TestOpenRefuses(t *testing.T) {
	good, err := wire.Sign(key(1), wire.ContextState, wire.Root{Doc: "root", Gateway: gateway, Version: 1})
	if err != nil {
		t.Fatal(err)
	}
	line, sig, _ := bytes.Cut(good, []byte("\n"))
	tests := []struct {
		name    string
		key     ed25519.PublicKey
		context wire.Context
		in      []byte
		want    error
	}{
		{"as signed", public(1), wire.ContextState, good, nil},
		{"another context", public(1), wire.ContextCommand, good, wire.ErrSignature},
		{"another key", public(2), wire.ContextState, good, wire.ErrSignature},
		{"no key", nil, wire.ContextState, good, wire.ErrSignature},
		{"a changed byte", public(1), wire.ContextState, bytes.Replace(good, []byte("root"), []byte("rood"), 1), wire.ErrSignature},
		{"no signature line", public(1), wire.ContextState, line, wire.ErrFormat},
		{"an empty signature", public(1), wire.ContextState, append(bytes.Clone(line), "\n\n"...), wire.ErrFormat},
		{"a third line", public(1), wire.ContextState, append(bytes.Clone(good), "x\n"...), wire.ErrFormat},
		{"no last newline", public(1), wire.ContextState, bytes.TrimSuffix(good, []byte("\n")), wire.ErrFormat},
		{"a cut signature", public(1), wire.ContextState, append(append(bytes.Clone(line), '\n'), sig[10:]...), wire.ErrFormat},
		{"nothing", public(1), wire.ContextState, nil, wire.ErrFormat},
		{"too much", public(1), wire.ContextState, make([]byte, wire.MaxMessage+1), wire.ErrSize},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var r wire.Root
			err := wire.Open(test.key, test.context, test.in, &r)
			if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
				t.Errorf("Open = %v, want %v", err, test.want)
			}
			if err != nil && r.Doc != "" {
				t.Errorf("Open refused and yet decoded %+v", r)
			}
		})
	}
}

// Every single flipped bit of a block is noticed. // invariant 11
func TestDecodeBlockRefusesEveryFlippedBit(t *testing.T) {
	packed, err := wire.EncodeBlock(key(1), block(2))
	if err != nil {
		t.Fatal(err)
	}
	raw := unpack(t, packed)
	for i := range raw {
		for bit := range 8 {
			bad := bytes.Clone(raw)
			bad[i] ^= 1 << bit
			if _, _, err := wire.DecodeBlock(keyOf(1), pack(t, bad)); err == nil {
				t.Fatalf("byte %d bit %d flipped in\n%s\nis accepted", i, bit, raw)
			}
		}
	}
}

func TestDecodeBlockRefuses(t *testing.T) {
	packed, err := wire.EncodeBlock(key(1), block(2))
	if err != nil {
		t.Fatal(err)
	}
	raw := string(unpack(t, packed))
	change := func(old, new string) []byte {
		if !strings.Contains(raw, old) {
			t.Fatalf("no %q in\n%s", old, raw)
		}
		return pack(t, []byte(strings.Replace(raw, old, new, 1)))
	}
	errNoGateway := errors.New("no such gateway")
	tests := []struct {
		name string
		in   []byte
		want error
	}{
		{"not compressed", []byte(raw), wire.ErrFormat},
		{"nothing", nil, wire.ErrFormat},
		{"a bomb", pack(t, make([]byte, 64<<20)), wire.ErrSize},
		{"a message too large", make([]byte, wire.MaxMessage+1), wire.ErrSize},
		{"a count too high", change(`"count":2`, `"count":3`), wire.ErrFormat},
		{"no count", change(`"count":2`, `"count":0`), wire.ErrFormat},
		{"another stream", change(`"stream":"audit"`, `"stream":"other"`), wire.ErrFormat},
		{"epoch 0", change(`"epoch":2`, `"epoch":0`), wire.ErrFormat},
		{"another epoch", change(`"epoch":2`, `"epoch":3`), wire.ErrSignature},
		{"beyond its end", change(`"count":2`, `"count":2,"end":1`), wire.ErrFormat},
		{"another end", change(`"before"`, `"end":9,"before"`), wire.ErrSignature},
		{"an empty event", change("\n{", "\n\n{"), wire.ErrFormat},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, _, err := wire.DecodeBlock(keyOf(1), test.in); !errors.Is(err, test.want) {
				t.Errorf("DecodeBlock = %v, want %v", err, test.want)
			}
		})
	}
	if _, _, err := wire.DecodeBlock(func(string) (ed25519.PublicKey, error) { return nil, errNoGateway }, packed); !errors.Is(err, errNoGateway) {
		t.Errorf("DecodeBlock without a key = %v, want %v", err, errNoGateway)
	}
	if _, _, err := wire.DecodeBlock(keyOf(2), packed); !errors.Is(err, wire.ErrSignature) {
		t.Errorf("DecodeBlock with another key = %v, want %v", err, wire.ErrSignature)
	}
}

func TestPartsAreBounded(t *testing.T) {
	raw, packed, h, err := wire.EncodePart(wire.Couriers{Couriers: []wire.Courier{{ID: "black-cat"}}})
	if err != nil || !wire.IsPart(packed) || wire.IsPart(raw) {
		t.Fatalf("EncodePart = %v", err)
	}
	got, gotHash, err := wire.DecodePart(packed)
	if err != nil || !bytes.Equal(got, raw) || gotHash != h {
		t.Errorf("DecodePart = %s, %s, %v", got, gotHash, err)
	}
	if _, _, _, err := wire.EncodePart(strings.Repeat("x", wire.MaxPart)); !errors.Is(err, wire.ErrSize) {
		t.Errorf("EncodePart of too much = %v, want %v", err, wire.ErrSize)
	}
	if _, _, err := wire.DecodePart(pack(t, make([]byte, wire.MaxPart+1))); !errors.Is(err, wire.ErrSize) {
		t.Errorf("DecodePart of too much = %v, want %v", err, wire.ErrSize)
	}
}

// A secret opens only with its key, for its gateway, for its subject. // invariant 10
func TestSeal(t *testing.T) {
	private, pub, err := wire.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := wire.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	s, err := wire.Seal(wire.Key{ID: "seal-1", Use: "seal", Public: pub}, gateway, "parcel/1", []byte("314159"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Open(private, gateway, "parcel/1"); err != nil || string(got) != "314159" {
		t.Errorf("Open = %q, %v", got, err)
	}
	if len(s.Text) != 54 {
		t.Errorf("six digits are %d bytes sealed, want 54", len(s.Text))
	}
	for name, open := range map[string]func() ([]byte, error){
		"another subject": func() ([]byte, error) { return s.Open(private, gateway, "parcel/2") },
		"another gateway": func() ([]byte, error) { return s.Open(private, "gw-2", "parcel/1") },
		"another key":     func() ([]byte, error) { return s.Open(other, gateway, "parcel/1") },
		"no key":          func() ([]byte, error) { return s.Open(nil, gateway, "parcel/1") },
	} {
		if got, err := open(); !errors.Is(err, wire.ErrSealed) || got != nil {
			t.Errorf("%s: Open = %q, %v, want %v", name, got, err, wire.ErrSealed)
		}
	}
}

func TestTopics(t *testing.T) {
	for _, topic := range []string{
		wire.EventsTopic(gateway), wire.PulseTopic(gateway), wire.ChallengeTopic(gateway), wire.AnswerTopic(gateway),
		wire.PositionTopic(gateway), wire.StateTopic(gateway), wire.CommandTopic(gateway),
	} {
		g, kind, isUp, err := wire.ParseTopic(topic)
		if err != nil || g != gateway || !strings.HasSuffix(topic, string(kind)) || isUp != strings.Contains(topic, "/up/") {
			t.Errorf("ParseTopic(%s) = %s, %s, %t, %v", topic, g, kind, isUp, err)
		}
	}
	for _, topic := range []string{
		"", "lobby/v1/up", "lobby/v1/up/00/" + gateway + "/events", "lobby/v2/down/" + gateway + "/answer",
		"lobby/v1/down/" + gateway + "/events", "lobby/v1/down/+/answer", "lobby/v1/down/GW/answer", "lobby/v1/down//answer",
		wire.EventsTopic(gateway) + "/x", "$SYS/" + wire.PulseTopic(gateway),
	} {
		if g, k, _, err := wire.ParseTopic(topic); err == nil {
			t.Errorf("ParseTopic(%q) = %s, %s, want an error", topic, g, k)
		}
	}
}

// An erased event leaves a chain that still verifies by its hash.
func TestChainOutlivesErasedBytes(t *testing.T) {
	b := block(3)
	h := b.Before
	for i, e := range b.Events {
		if i == 1 {
			h = wire.NextHash(h, wire.HashLine(e))
			continue
		}
		h = wire.Next(h, e)
	}
	if h != b.After() {
		t.Errorf("chain with an erased event ends in %s, want %s", h, b.After())
	}
}

func TestEventBounds(t *testing.T) {
	if _, err := wire.EncodeEvent(wire.Event{Type: "a.b", Subject: "c", Data: wire.Raw(strings.Repeat("x", wire.MaxEvent))}); !errors.Is(err, wire.ErrSize) {
		t.Errorf("EncodeEvent of too much = %v, want %v", err, wire.ErrSize)
	}
	if _, err := wire.EncodeEvent(wire.Event{Type: "a.b"}); !errors.Is(err, wire.ErrFormat) {
		t.Errorf("EncodeEvent without a subject = %v, want %v", err, wire.ErrFormat)
	}
	if _, err := wire.DecodeEvent([]byte(`{"type":"a.b","subject":"c","new":1}`)); err != nil {
		t.Errorf("DecodeEvent with an unknown field = %v", err)
	}
	for _, in := range []string{"", "{", `{"type":"a.b"}`, "{\"type\":\"a.b\",\n\"subject\":\"c\"}", strings.Repeat(" ", wire.MaxEvent+1)} {
		if _, err := wire.DecodeEvent([]byte(in)); err == nil {
			t.Errorf("DecodeEvent(%.20q) is accepted", in)
		}
	}
}
