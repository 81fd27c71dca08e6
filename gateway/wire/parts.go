package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// Shard is the number of the households part that holds a unit.
func Shard(unit string) int { return int(crc32.ChecksumIEEE([]byte(unit)) % HouseholdShards) }

// EncodePart encodes one part of a state document: its JSON, that compressed, and the hash that the root names.
// ErrSize says that it must be split.
func EncodePart(v any) (raw, packed []byte, h Hash, err error) {
	raw, err = json.Marshal(v)
	if err != nil {
		return nil, nil, Hash{}, fmt.Errorf("part %T: %w", v, err)
	}
	if len(raw) > MaxPart {
		return nil, nil, Hash{}, fmt.Errorf("part %T of %d bytes, at most %d: %w", v, len(raw), MaxPart, ErrSize)
	}
	return raw, compress(raw), sha256.Sum256(raw), nil
}

// DecodePart unpacks a part and gives its hash; whether anybody asked for that hash is the caller's to check.
func DecodePart(packed []byte) (raw []byte, h Hash, err error) {
	raw, err = decompress(packed, MaxPart)
	if err != nil {
		return nil, Hash{}, err
	}
	return raw, sha256.Sum256(raw), nil
}

// IsPart tells a compressed part from a signed document on the state topic, by zstd's magic number.
func IsPart(p []byte) bool { return bytes.HasPrefix(p, []byte{0x28, 0xb5, 0x2f, 0xfd}) }

// EncodeAll and DecodeAll of one encoder and one decoder may be called by many goroutines.
var (
	encoder = sync.OnceValue(func() *zstd.Encoder {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
		if err != nil {
			panic(err) // the options are constants
		}
		return e
	})
	decoder = sync.OnceValue(func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(MaxDecompressed))
		if err != nil {
			panic(err) // the options are constants
		}
		return d
	})
)

func compress(raw []byte) []byte { return encoder().EncodeAll(raw, nil) }

func decompress(p []byte, most int) ([]byte, error) {
	if len(p) > MaxMessage {
		return nil, fmt.Errorf("%d bytes, at most %d: %w", len(p), MaxMessage, ErrSize)
	}
	raw, err := decoder().DecodeAll(p, nil)
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded):
		return nil, fmt.Errorf("more than %d bytes decompressed: %w", MaxDecompressed, ErrSize)
	case err != nil:
		return nil, fmt.Errorf("not zstd: %w", ErrFormat)
	case len(raw) > most:
		return nil, fmt.Errorf("%d bytes decompressed, at most %d: %w", len(raw), most, ErrSize)
	}
	return raw, nil
}
