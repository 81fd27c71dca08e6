package wire

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// Block is a stretch of one segment. Events are exactly the stored bytes.
type Block struct {
	Gateway string
	Epoch   uint64
	Stream  Stream
	Segment uint64
	First   uint64 // seq of the first event, from 1
	Before  Hash   // chain hash before the first event
	End     uint64 // last seq of the segment when it is sealed, else 0
	Events  [][]byte
}

// header is a block's first line.
type header struct {
	Gateway string `json:"gateway"`
	Epoch   uint64 `json:"epoch"`
	Stream  Stream `json:"stream"`
	Segment uint64 `json:"segment"`
	First   uint64 `json:"first"`
	Count   int    `json:"count"`
	Before  Hash   `json:"before"`
	End     uint64 `json:"end,omitempty"`
}

// Last is the seq of the last event; First-1 for a block without events.
func (b Block) Last() uint64 { return b.First + uint64(len(b.Events)) - 1 }

// After is the chain hash after the last event.
func (b Block) After() Hash {
	h := b.Before
	for _, e := range b.Events {
		h = Next(h, e)
	}
	return h
}

// EncodeBlock gives the block as it travels: a header line, one event a line, and a line with the signature over the
// header line and the chain hash after the last event; all of it compressed with zstd. ErrSize says that the events
// are too many for one message.
func EncodeBlock(key ed25519.PrivateKey, b Block) ([]byte, error) {
	line, err := json.Marshal(header{b.Gateway, b.Epoch, b.Stream, b.Segment, b.First, len(b.Events), b.Before, b.End})
	if err != nil {
		return nil, fmt.Errorf("block %d/%s/%d/%d: %w", b.Epoch, b.Stream, b.Segment, b.First, err)
	}
	sig, err := signature(key, ContextEvents, signed(line, b.After()))
	if err != nil {
		return nil, err
	}
	raw := append(line, '\n')
	for _, e := range b.Events {
		raw = append(append(raw, e...), '\n')
	}
	raw = append(base64.StdEncoding.AppendEncode(raw, sig), '\n')
	if len(raw) > MaxDecompressed {
		return nil, fmt.Errorf("block of %d bytes, at most %d: %w", len(raw), MaxDecompressed, ErrSize)
	}
	packed := compress(raw)
	if len(packed) > MaxMessage {
		return nil, fmt.Errorf("block of %d bytes compressed, at most %d: %w", len(packed), MaxMessage, ErrSize)
	}
	return packed, nil
}

// DecodeBlock unpacks a block, checks its form and its signature with the key of the gateway that it names, and returns
// it with the SHA-256 of its decompressed bytes, by which a refusal names it. The hash is zero when the payload could
// not be decompressed. Errors: ErrSize, ErrFormat, ErrSignature, or what public returned.
func DecodeBlock(public func(gateway string) (ed25519.PublicKey, error), p []byte) (Block, Hash, error) {
	raw, err := decompress(p, MaxDecompressed)
	if err != nil {
		return Block{}, Hash{}, err
	}
	hash := Hash(sha256.Sum256(raw))
	b, line, sig, err := parseBlock(raw)
	if err != nil {
		return Block{}, hash, err
	}
	key, err := public(b.Gateway)
	if err != nil {
		return Block{}, hash, err
	}
	if !verify(key, ContextEvents, signed(line, b.After()), sig) {
		return Block{}, hash, fmt.Errorf("block of gateway %s: %w", b.Gateway, ErrSignature)
	}
	return b, hash, nil
}

func parseBlock(raw []byte) (b Block, line, sig []byte, err error) {
	if len(raw) == 0 || raw[len(raw)-1] != '\n' {
		return b, nil, nil, fmt.Errorf("block does not end in a newline: %w", ErrFormat)
	}
	lines := bytes.Split(raw[:len(raw)-1], []byte{'\n'})
	var h header
	if err := decode(lines[0], &h); err != nil {
		return b, nil, nil, err
	}
	switch {
	case !ValidGateway(h.Gateway) || !h.Stream.Valid() || h.Epoch == 0 || h.Segment == 0 || h.First == 0:
		return b, nil, nil, fmt.Errorf("block header: %w", ErrFormat)
	case h.Count < 1 || h.Count > SegmentEvents || len(lines) != h.Count+2:
		return b, nil, nil, fmt.Errorf("block of %d lines says %d events: %w", len(lines), h.Count, ErrFormat)
	case h.End != 0 && h.First+uint64(h.Count)-1 > h.End:
		return b, nil, nil, fmt.Errorf("block goes beyond its segment's end: %w", ErrFormat)
	}
	events := lines[1 : 1+h.Count]
	for i, e := range events {
		if len(e) == 0 || len(e) > MaxEvent {
			return b, nil, nil, fmt.Errorf("event %d of %d bytes: %w", i+1, len(e), ErrSize)
		}
	}
	if sig, err = parseSignature(lines[1+h.Count]); err != nil {
		return b, nil, nil, err
	}
	b = Block{h.Gateway, h.Epoch, h.Stream, h.Segment, h.First, h.Before, h.End, events}
	return b, lines[0], sig, nil
}

func signed(line []byte, after Hash) []byte {
	m := make([]byte, 0, len(line)+1+len(after))
	m = append(append(m, line...), '\n')
	return append(m, after[:]...)
}
