package store

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// sumBytes is the length of the CRC-32C at the end of every stored value.
const sumBytes = 4

// seal ends a value in a CRC-32C over space, key and value: bbolt does not check its pages, and a value that turns up
// under another key is as wrong as one with a flipped bit.
func seal(space, key string, value []byte) []byte {
	stored := make([]byte, len(value), len(value)+sumBytes)
	copy(stored, value)
	return binary.BigEndian.AppendUint32(stored, sum(space, key, value))
}

// unseal gives the value without its sum, in the memory of stored. ErrDamaged names space and key.
func unseal(space, key string, stored []byte) ([]byte, error) {
	n := len(stored) - sumBytes
	if n < 0 || sum(space, key, stored[:n]) != binary.BigEndian.Uint32(stored[n:]) {
		return nil, fmt.Errorf("%s %q: %w", space, key, ErrDamaged)
	}
	return stored[:n], nil
}

// sum leads space and key by their lengths, so that no two places spell the same bytes.
func sum(space, key string, value []byte) uint32 {
	place := make([]byte, 0, 64)
	place = binary.BigEndian.AppendUint16(place, uint16(len(space)))
	place = append(place, space...)
	place = binary.BigEndian.AppendUint16(place, uint16(len(key)))
	place = append(place, key...)
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum(place, table), table, value)
}
