package cloud

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Lives of keys. A sealing key is followed by the next each quarter, and outlives it by what is still waiting.
const (
	signLife = 365 * 24 * time.Hour
	sealLife = 150 * 24 * time.Hour
)

// MakeKeys makes the cloud's keys in the data folder and signs their set with the offline root key, which is made where it
// is missing. Keys that stand are left alone, unless renew asks for the next generation beside them: old secrets stay
// readable until their keys are destroyed. It returns the root key's public half, which every gateway gets at enrolment.
func MakeKeys(o Options, rootFile, name string, renew bool, now time.Time) (ed25519.PublicKey, error) {
	root, err := rootKey(rootFile)
	if err != nil {
		return nil, err
	}
	public := root.Public().(ed25519.PublicKey)
	if err := os.MkdirAll(o.KeysDir(), 0o700); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	set := wire.KeySet{Fleet: name}
	file := filepath.Join(o.KeysDir(), fleet.KeySetFile)
	switch signed, err := os.ReadFile(file); {
	case err == nil:
		if err := wire.Open(public, wire.ContextKeys, signed, &set); err != nil {
			return nil, fmt.Errorf("%s: %w: it was signed by another root key: %w", file, ErrOptions, err)
		}
		if set.Fleet != name {
			return nil, fmt.Errorf("--fleet: %w: the keys here are those of fleet %s", ErrOptions, set.Fleet)
		}
		if !renew {
			return public, nil
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("keys: %w", err)
	}
	if err := nextKeys(o.KeysDir(), &set, now); err != nil {
		return nil, err
	}
	signed, err := fleet.SignKeySet(root, set)
	if err != nil {
		return nil, err
	}
	return public, replace(file, signed)
}

func rootKey(file string) (ed25519.PrivateKey, error) {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		if _, err := fleet.CreateRoot(file); err != nil {
			return nil, fmt.Errorf("--root-key: %w: %w", ErrOptions, err)
		}
	}
	root, err := fleet.LoadRoot(file)
	if err != nil {
		return nil, fmt.Errorf("--root-key: %w: %w", ErrOptions, err)
	}
	return root, nil
}

// nextKeys adds a generation of keys to a set and leaves out those that have ended.
func nextKeys(dir string, set *wire.KeySet, now time.Time) error {
	set.Version++
	var living []wire.Key
	for _, k := range set.Keys {
		if k.Until > wire.At(now) {
			living = append(living, k)
		}
	}
	for _, use := range []string{fleet.UseState, fleet.UseAnswer, fleet.UseCommand, fleet.UseTicket, fleet.UseSeal} {
		life := signLife
		if use == fleet.UseSeal {
			life = sealLife
		}
		k, err := fleet.CreateKey(dir, use+"-"+strconv.FormatUint(set.Version, 10), use, now.Add(life))
		if err != nil {
			return err
		}
		living = append(living, k)
	}
	set.Keys = living
	return nil
}

// replace writes a file whole or not at all.
func replace(file string, b []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(file), ".new-")
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return os.Rename(f.Name(), file)
}
