package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
)

// cursor is a place in a list. To askers it is opaque, and it is good for the list that gave it alone.
type cursor struct {
	At int64  // instant or pos of the last row
	ID string // of the last row, where At is not unique
}

const (
	cursorVersion = 1
	cursorSum     = 8 // bytes of the filter's hash
	maxCursorID   = 128
)

// encode binds the place to a filter.
func (c cursor) encode(filter ...string) string {
	b := append([]byte{cursorVersion}, filterSum(filter)...)
	b = binary.BigEndian.AppendUint64(b, uint64(c.At))
	return base64.RawURLEncoding.EncodeToString(append(b, c.ID...))
}

// parseCursor reads a place in the list of a filter; an empty text is its beginning. errCursor says that the text is none,
// or of another list.
func parseCursor(text string, filter ...string) (cursor, error) {
	if text == "" {
		return cursor{}, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") || len(b) < 1+cursorSum+8 || len(b) > 1+cursorSum+8+maxCursorID ||
		b[0] != cursorVersion || !bytes.Equal(b[1:1+cursorSum], filterSum(filter)) {
		return cursor{}, errCursor
	}
	c := cursor{At: int64(binary.BigEndian.Uint64(b[1+cursorSum:])), ID: string(b[1+cursorSum+8:])}
	if c.At <= 0 {
		return cursor{}, errCursor
	}
	return c, nil
}

func filterSum(filter []string) []byte {
	sum := sha256.Sum256([]byte(strings.Join(filter, "\x00")))
	return sum[:cursorSum]
}
