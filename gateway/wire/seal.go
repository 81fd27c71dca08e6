package wire

import (
	"crypto/ecdh"
	"crypto/hpke"
	"errors"
	"fmt"
)

// ErrSealed says that a sealed secret cannot be opened: another key, gateway or subject, or a key destroyed in the
// meantime, which is a normal end of a secret.
var ErrSealed = errors.New("cannot be opened")

// NewSealKey makes a key pair for sealing: X25519, private and public bytes.
func NewSealKey() (private, public []byte, err error) {
	k, err := kem().GenerateKey()
	if err != nil {
		return nil, nil, fmt.Errorf("sealing key: %w", err)
	}
	private, err = k.Bytes()
	if err != nil {
		return nil, nil, fmt.Errorf("sealing key: %w", err)
	}
	return private, k.PublicKey().Bytes(), nil
}

// Seal hides a secret so that only the cloud can read it, and only as this gateway's for this subject.
func Seal(k Key, gateway, subject string, secret []byte) (*Sealed, error) {
	public, err := kem().NewPublicKey(k.Public)
	if err != nil {
		return nil, fmt.Errorf("sealing key %s: %w", k.ID, err)
	}
	text, err := hpke.Seal(public, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), sealInfo(gateway, subject), secret)
	if err != nil {
		return nil, fmt.Errorf("seal for key %s: %w", k.ID, err)
	}
	return &Sealed{Key: k.ID, Text: text}, nil
}

// Open reads a secret with the private key that s.Key names. ErrSealed when it cannot.
func (s Sealed) Open(private []byte, gateway, subject string) ([]byte, error) {
	k, err := kem().NewPrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("sealing key %s: %w", s.Key, ErrSealed)
	}
	secret, err := hpke.Open(k, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), sealInfo(gateway, subject), s.Text)
	if err != nil {
		return nil, fmt.Errorf("secret of %s: %w", subject, ErrSealed)
	}
	return secret, nil
}

func kem() hpke.KEM { return hpke.DHKEM(ecdh.X25519()) }

func sealInfo(gateway, subject string) []byte {
	return []byte("lobby/v1/seal\x00" + gateway + "\x00" + subject)
}
