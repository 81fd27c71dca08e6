package wire

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// Context separates what a signature is for: a batch of events is no pulse, and a root is no command.
type Context string

// The contexts.
const (
	ContextKeys    Context = "lobby/v1/keys"
	ContextState   Context = "lobby/v1/state"
	ContextAnswer  Context = "lobby/v1/answer"
	ContextCommand Context = "lobby/v1/command"
	ContextTicket  Context = "lobby/v1/ticket"
	ContextEvents  Context = "lobby/v1/events"
	ContextPulse   Context = "lobby/v1/pulse"
)

// Sign encodes doc as one line of JSON and adds a line with the base64 signature over that line (without its newline).
// It fails only when doc cannot be encoded.
func Sign(key ed25519.PrivateKey, c Context, doc any) ([]byte, error) {
	line, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", doc, err)
	}
	signature, err := signature(key, c, line)
	if err != nil {
		return nil, err
	}
	out := append(line, '\n')
	out = base64.StdEncoding.AppendEncode(out, signature)
	return append(out, '\n'), nil
}

// Open checks a signed document and then decodes it into doc. Nothing is decoded before the signature has verified.
// Whether the document names this gateway is the caller's to check. Errors: ErrSize, ErrFormat, ErrSignature.
func Open(public ed25519.PublicKey, c Context, b []byte, doc any) error {
	line, sig, err := split(b)
	if err != nil {
		return err
	}
	if !verify(public, c, line, sig) {
		return fmt.Errorf("%s: %w", c, ErrSignature)
	}
	return decode(line, doc)
}

// Peek decodes a signed document without checking it, to learn which key it claims. Never act on what it says.
func Peek(b []byte, doc any) error {
	line, _, err := split(b)
	if err != nil {
		return err
	}
	return decode(line, doc)
}

// HashLine is the SHA-256 of a signed document's JSON line.
func HashLine(b []byte) Hash {
	line, _, _ := bytes.Cut(b, []byte{'\n'})
	return sha256.Sum256(line)
}

func signature(key ed25519.PrivateKey, c Context, message []byte) ([]byte, error) {
	sig, err := key.Sign(nil, message, &ed25519.Options{Hash: crypto.Hash(0), Context: string(c)})
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", c, err)
	}
	return sig, nil
}

func verify(public ed25519.PublicKey, c Context, message, sig []byte) bool {
	if len(public) != ed25519.PublicKeySize {
		return false
	}
	return ed25519.VerifyWithOptions(public, message, sig, &ed25519.Options{Hash: crypto.Hash(0), Context: string(c)}) == nil
}

func split(b []byte) (line, sig []byte, err error) {
	if len(b) > MaxMessage {
		return nil, nil, fmt.Errorf("%d bytes, at most %d: %w", len(b), MaxMessage, ErrSize)
	}
	line, rest, ok := bytes.Cut(b, []byte{'\n'})
	if !ok || len(rest) == 0 || rest[len(rest)-1] != '\n' {
		return nil, nil, fmt.Errorf("not a line and its signature: %w", ErrFormat)
	}
	sig, err = parseSignature(rest[:len(rest)-1])
	return line, sig, err
}

func parseSignature(text []byte) ([]byte, error) {
	sig, err := base64.StdEncoding.Strict().AppendDecode(nil, text)
	if err != nil || len(sig) != ed25519.SignatureSize || bytes.ContainsAny(text, "\r\n") {
		return nil, fmt.Errorf("signature line of %d characters: %w", len(text), ErrFormat)
	}
	return sig, nil
}

func decode(line []byte, doc any) error {
	if err := json.Unmarshal(line, doc); err != nil {
		return fmt.Errorf("%T: %w", doc, ErrFormat) // the text of err would echo what was sent
	}
	return nil
}
