package wire

import (
	"crypto/sha256"
	"encoding/binary"
)

// EpochSeed is h(0) of segment 1: SHA-256 over gateway, epoch, stream and the first 128 bits of the epoch's nonce, each
// text led by its length in two bytes, the epoch in eight (big endian).
func EpochSeed(gateway string, epoch uint64, s Stream, nonce Hash) Hash {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(gateway)))
	b = append(b, gateway...)
	b = binary.BigEndian.AppendUint64(b, epoch)
	b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	b = append(b, s...)
	b = append(b, nonce[:16]...)
	return sha256.Sum256(b)
}

// Next is h(n) = SHA-256(h(n-1) ‖ SHA-256(event)), so that a chain still verifies when an event's bytes are erased and
// only their hash is kept.
func Next(h Hash, event []byte) Hash {
	e := sha256.Sum256(event)
	return NextHash(h, e)
}

// NextHash is Next for an event of which only the SHA-256 is known.
func NextHash(h, event Hash) Hash {
	var b [2 * sha256.Size]byte
	copy(b[:], h[:])
	copy(b[sha256.Size:], event[:])
	return sha256.Sum256(b[:])
}
