package wire

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"strings"
)

// Ticket is a signed grant that its holder carries, as a QR code: it opens a door even if the gateway never heard of it.
// Context lobby/v1/ticket.
type Ticket struct {
	ID      string `json:"id"` // of the grant
	Gateway string `json:"gateway"`
	Door    string `json:"door"`
	From    Micros `json:"from"`
	Until   Micros `json:"until"` // at most MaxTicket after From
	Uses    int    `json:"uses,omitempty"`
	Issued  Micros `json:"issued"` // true time has passed it
	Key     string `json:"key"`
}

// MaxTicket is the longest window of a ticket, in microseconds: 24 h and the 10 minutes before and after a booking. What
// works offline cannot be revoked offline.
const MaxTicket = Micros(24*60+20) * 60 * 1_000_000

// TicketPrefix begins every ticket's text.
const TicketPrefix = "LOBBY1"

// maxTicketText bounds a ticket's text: a QR code of version 20 holds no more.
const maxTicketText = 1000

// base32 has capitals and digits alone: readers that act as keyboards type them alike in every layout, and a QR code holds
// them in its alphanumeric mode.
var ticketText = base32.StdEncoding.WithPadding(base32.NoPadding)

// SignTicket gives a ticket's text: LOBBY1, then in base32 (RFC 4648, no padding) its line of JSON and the 64 bytes of the
// signature over that line.
func SignTicket(key ed25519.PrivateKey, t Ticket) (string, error) {
	line, err := json.Marshal(t)
	if err != nil {
		return "", fmt.Errorf("encode ticket: %w", err)
	}
	sig, err := signature(key, ContextTicket, line)
	if err != nil {
		return "", err
	}
	return TicketPrefix + ticketText.EncodeToString(append(line, sig...)), nil
}

// PeekTicket reads a ticket without checking it, to learn which key it claims. Never act on what it says.
func PeekTicket(text string) (Ticket, error) {
	line, _, err := splitTicket(text)
	if err != nil {
		return Ticket{}, err
	}
	var t Ticket
	return t, decode(line, &t)
}

// OpenTicket checks a ticket and then reads it. Whether it is for this gateway, this door and now is the caller's to
// check. Errors: ErrFormat, ErrSignature.
func OpenTicket(public ed25519.PublicKey, text string) (Ticket, error) {
	line, sig, err := splitTicket(text)
	if err != nil {
		return Ticket{}, err
	}
	if !verify(public, ContextTicket, line, sig) {
		return Ticket{}, fmt.Errorf("%s: %w", ContextTicket, ErrSignature)
	}
	var t Ticket
	return t, decode(line, &t)
}

func splitTicket(text string) (line, sig []byte, err error) {
	body, ok := strings.CutPrefix(text, TicketPrefix)
	if !ok || len(text) > maxTicketText {
		return nil, nil, fmt.Errorf("no ticket: %w", ErrFormat)
	}
	raw, err := ticketText.DecodeString(body)
	at := len(raw) - ed25519.SignatureSize
	if err != nil || at <= 0 || ticketText.EncodeToString(raw) != body || bytes.ContainsAny(raw[:at], "\r\n") {
		return nil, nil, fmt.Errorf("ticket of %d characters: %w", len(text), ErrFormat)
	}
	return raw[:at], raw[at:], nil
}
