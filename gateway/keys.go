package gateway

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const secretLen = 32

// Keys are the secrets that never leave the box: what signs its events, and what its PINs are kept under.
type Keys struct {
	Events ed25519.PrivateKey
	PINs   []byte // HMAC key, 32 bytes
}

// Public is the key by which the cloud knows the gateway's events.
func (k Keys) Public() ed25519.PublicKey { return k.Events.Public().(ed25519.PublicKey) }

// String hides the keys from every way of printing.
func (Keys) String() string { return "keys(hidden)" }

// GoString hides the keys from %#v.
func (Keys) GoString() string { return "keys(hidden)" }

// OpenKeys reads DATA/keys, files of mode 0600, and makes what is missing. A key that others may read is refused.
func OpenKeys(data string) (Keys, error) {
	dir := filepath.Join(data, "keys")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Keys{}, err
	}
	seed, err := openSecret(filepath.Join(dir, "events.key"))
	if err != nil {
		return Keys{}, err
	}
	pins, err := openSecret(filepath.Join(dir, "pins.key"))
	if err != nil {
		return Keys{}, err
	}
	return Keys{Events: ed25519.NewKeyFromSeed(seed), PINs: pins}, nil
}

func openSecret(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeSecret(path)
	}
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s: others may read it (mode %v): chmod 600, and think about who has", path, info.Mode().Perm())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if len(b) != secretLen {
		return nil, fmt.Errorf("%s: %d bytes, want %d: put back the file, or enrol the box anew", path, len(b), secretLen)
	}
	return b, nil
}

// makeSecret writes a new secret so that a power cut leaves a whole file or none.
func makeSecret(path string) ([]byte, error) {
	b := make([]byte, secretLen)
	rand.Read(b)
	if err := writeFile(path, b); err != nil {
		return nil, err
	}
	return b, nil
}

// writeFile replaces a file as a whole: written beside it, synced, renamed.
func writeFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
