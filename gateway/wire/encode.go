package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// EncodeEvent makes the bytes that are hashed, stored, sent and logged ever after: one line of JSON without its newline.
func EncodeEvent(e Event) ([]byte, error) {
	if e.Type == "" || e.Subject == "" {
		return nil, fmt.Errorf("event without type or subject: %w", ErrFormat)
	}
	b, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("event %s of %s: %w", e.Type, e.Subject, err)
	}
	if len(b) > MaxEvent {
		return nil, fmt.Errorf("event %s of %s: %d bytes, at most %d: %w", e.Type, e.Subject, len(b), MaxEvent, ErrSize)
	}
	return b, nil
}

// DecodeEvent reads one event. Unknown types and fields are no error: a newer gateway may say more.
func DecodeEvent(b []byte) (Event, error) {
	var e Event
	switch {
	case len(b) > MaxEvent:
		return e, fmt.Errorf("event of %d bytes, at most %d: %w", len(b), MaxEvent, ErrSize)
	case bytes.IndexByte(b, '\n') >= 0:
		return e, fmt.Errorf("event with a newline: %w", ErrFormat)
	}
	if err := decode(b, &e); err != nil {
		return Event{}, err
	}
	if e.Type == "" || e.Subject == "" {
		return Event{}, fmt.Errorf("event without type or subject: %w", ErrFormat)
	}
	return e, nil
}

// Raw encodes a state or data payload of an event. The types of this package always encode.
func Raw(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("wire: %T does not encode: %v", v, err))
	}
	return b
}
